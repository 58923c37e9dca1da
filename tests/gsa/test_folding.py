"""A folded network is the same function with fewer norms."""

import pytest
import torch
from torch import nn

from gsa.config import NetworkConfig, preset
from gsa.folding import folded
from gsa.packing import PackedConv2d, PackedPointwiseConv2d
from gsa.pointwise import PointwiseConv2d
from gsa.receptive_field import field_of
from gsa.record import record
from gsa.resnet import ResNet


def _norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def _lived_in(config: NetworkConfig) -> ResNet:
    """A network whose norms have statistics, gains and biases of their own."""
    model = ResNet(config, seed=0).double()
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "projection_norm"),
    [
        ("resnet14_tiny", "none"),
        *(("gsa_resnet14_tiny", norm) for norm in ("none", "batch", "rms")),
    ],
)
def test_answers_and_recordings_stay(name: str, projection_norm: str) -> None:
    model = _lived_in(preset(name, num_classes=5, projection_norm=projection_norm))
    quick = folded(model)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted = model(x)
        torch.testing.assert_close(quick(x), wanted)
        assert wanted.abs().max() > 0.1
    layers = record(model, x[:1]).layers
    for layer, again in zip(layers.values(), record(quick, x[:1]).layers.values(), strict=True):
        torch.testing.assert_close(again.output, layer.output)
        torch.testing.assert_close(again.rho, layer.rho)
        torch.testing.assert_close(again.q_constant, layer.q_constant)  # None, or what a norm adds


def test_the_norms_that_follow_a_linear_map_are_gone_and_the_model_keeps_its_own() -> None:
    model = _lived_in(preset("resnet14_tiny"))
    before = _norms(model)
    assert _norms(folded(model)) == 0
    assert _norms(model) == before
    # between the steps, and behind each of the four modules
    assert _norms(folded(_lived_in(preset("gsa_resnet14_tiny", projection_norm="rms")))) == 8


@pytest.mark.parametrize("name", ["resnet14_tiny", "gsa_resnet14_tiny"])
def test_in_single_precision_and_bfloat16_too(name: str) -> None:
    model = _lived_in(preset(name, num_classes=5, projection_norm="rms")).float()
    quick = folded(model)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted = model(x)
        torch.testing.assert_close(quick(x), wanted, rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            half = quick(x)
        assert half.dtype == torch.bfloat16
        assert (half - wanted).abs().max() < 0.1 * wanted.abs().max()


def test_convolutions_are_packed_and_have_the_same_field() -> None:
    model = _lived_in(preset("gsa_resnet14_tiny"))
    quick = folded(model)
    assert all(
        isinstance(module, PackedConv2d | PackedPointwiseConv2d)
        for module in quick.modules()
        if isinstance(module, nn.Conv2d)
    )
    assert isinstance(quick.blocks()["1.1"].reduce, PointwiseConv2d)
    unit = ("2.1", (3, 3), (64, 64))
    assert field_of(quick, *unit) == field_of(model, *unit)


def test_is_compiled_as_one_graph() -> None:
    model = _lived_in(preset("gsa_resnet14_tiny", num_classes=5)).float()
    quick, x = folded(model), torch.randn(1, 3, 64, 64)
    whole = torch.compile(quick, fullgraph=True, backend="eager")
    with torch.inference_mode():
        torch.testing.assert_close(whole(x), quick(x), rtol=1e-3, atol=1e-3)
