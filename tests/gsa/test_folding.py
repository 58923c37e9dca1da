"""A folded network is the same function with fewer norms."""

import pytest
import torch
from torch import nn

from gsa.config import NetworkConfig, preset
from gsa.folding import folded
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


def test_the_norms_that_follow_a_linear_map_are_gone_and_the_model_keeps_its_own() -> None:
    model = _lived_in(preset("resnet14_tiny"))
    before = _norms(model)
    assert _norms(folded(model)) == 0
    assert _norms(model) == before
    # between the steps, and behind each of the four modules
    assert _norms(folded(_lived_in(preset("gsa_resnet14_tiny", projection_norm="rms")))) == 8


def test_pointwise_convolutions_stay_what_they_are() -> None:
    model = _lived_in(preset("gsa_resnet14_tiny"))
    kinds = [type(block.reduce) for block in folded(model).blocks().values()]
    assert kinds == [type(block.reduce) for block in model.blocks().values()]
