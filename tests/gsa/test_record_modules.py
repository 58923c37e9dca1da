"""Maps of GSA modules in networks that are not of this project."""

import numpy as np
import pytest
import torch
from torch import nn

import gsa
from tests.conftest import noise


class OwnNetwork(nn.Module):
    """A patch embedding and two blocks of attention, of which one can be left out."""

    def __init__(self, *, both: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.blocks = nn.ModuleList(
            gsa.GlobalSelfAttention(16, width=16, heads=2, size=(8, 8)) for _ in range(2)
        )
        self.both = both

    def forward(self, x):
        x = self.patches(x)
        for block in self.blocks[: 1 + self.both]:
            x = x + block(x)
        return x.mean(dim=(-2, -1))


@pytest.fixture
def checkpoint(checkpoint_folder):
    return gsa.load("tiny_gsa", checkpoint_folder)


def trained(*, both=True):
    """With norms that have seen something, in eval mode."""
    torch.manual_seed(0)
    network = OwnNetwork(both=both)
    network(torch.randn(8, 3, 64, 64))
    return network.eval()


def test_modules_of_any_network_are_recorded_by_their_path():
    network, x = trained(), noise()
    layers = gsa.record_modules(network, x)
    assert list(layers) == ["blocks.0", "blocks.1"]
    for layer in layers.values():
        assert layer.shape == (8, 8)
        for kind in ("content", "positional", "sum"):
            for direction in ("from", "to"):
                assert gsa.prove(layer, kind, gsa.Cells.at(2, 5), direction).max_rel_error < 5e-5
    with torch.inference_mode():
        first = network.blocks[0](network.patches(x))[0].unflatten(0, (2, 8))
    np.testing.assert_array_equal(layers["blocks.0"].output, first.numpy())


def test_what_a_network_takes_by_name_is_handed_on():
    network = trained()
    by_place, by_name = gsa.record_modules(network, noise()), gsa.record_modules(network, x=noise())
    for name, layer in by_place.items():
        np.testing.assert_array_equal(by_name[name].output, layer.output)


def test_the_network_itself_is_left_without_hooks():
    network = trained()
    before = network(noise())
    gsa.record_modules(network, noise())
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert torch.equal(network(noise()), before)


def test_networks_of_this_project_give_what_their_recorder_does(checkpoint):
    ours = gsa.record(checkpoint.model, noise())
    layers = gsa.record_modules(checkpoint.model, noise())
    for one, other in zip(ours.layers.values(), layers.values(), strict=True):
        np.testing.assert_array_equal(one.output, other.output)
        np.testing.assert_array_equal(one.rho, other.rho)


def test_a_norm_in_training_mode_is_found_before_it_learns():
    network = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), trained().blocks[0])
    network = network.eval()
    network[1].train()
    before = network[1].running_mean.clone()
    with pytest.raises(ValueError, match="must be in eval mode"):
        gsa.record_modules(network, noise())
    assert torch.equal(network[1].running_mean, before)


def test_a_module_may_be_called_by_name_and_a_network_be_wrapped():
    class ByName(OwnNetwork):
        def forward(self, x):
            return self.blocks[0](x=self.patches(x))

    network = ByName()
    network.blocks = network.blocks[:1]
    layers = gsa.record_modules(nn.DataParallel(network.eval()), noise())
    assert list(layers) == ["blocks.0"]


@pytest.mark.parametrize(
    ("network", "pictures", "sentence"),
    [
        (trained().train(), 1, "the model must be in eval mode"),
        (nn.Conv2d(3, 4, 3).eval(), 1, r"`network` \(a Conv2d\) holds no GlobalSelfAttention"),
        (trained(), 2, "the module 'blocks.0' was given 2 pictures; it must be one"),
        (trained(both=False), 1, "does not reach the module 'blocks.1'"),
        (
            nn.Sequential(
                *[gsa.GlobalSelfAttention(3, width=3, heads=1, size=(64, 64))] * 2
            ).eval(),
            1,
            "reaches the module '0' more than once",
        ),
    ],
)
def test_what_has_no_maps_of_one_picture_is_refused(network, pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        gsa.record_modules(network, torch.randn(pictures, 3, 64, 64))
