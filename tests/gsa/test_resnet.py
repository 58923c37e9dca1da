import copy
from dataclasses import replace

import pytest
import torch
import torchvision

from gsa.config import PRESETS, NetworkConfig, preset
from gsa.costs import flops, parameters
from gsa.resnet import ResNet, from_torchvision
from tests.conftest import tiny_config


@pytest.mark.parametrize(
    ("name", "millions", "giga"),
    [
        ("gsa_resnet50", 18.05, 7.17),
        ("resnet50", 25.56, 8.18),
        ("gsa_resnet101", 30.40, 12.18),
        ("resnet101", 44.55, 15.60),
        ("gsa_resnet38", 14.20, 5.89),
        ("resnet38", 19.63, 6.43),
    ],
)
def test_cost_is_the_papers(name, millions, giga):
    assert PRESETS[name].num_classes == 1000
    assert PRESETS[name].input_size == 224
    assert round(parameters(PRESETS[name]) / 1e6, 2) == millions
    assert round(flops(PRESETS[name]) / 1e9, 2) == giga


def test_conv_resnet50_is_torchvisions():
    theirs = torchvision.models.resnet50(weights=None).eval().double()
    ours = ResNet(PRESETS["resnet50"]).eval().double()
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    x = torch.randn(1, 3, 97, 130, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x))


def test_a_state_that_is_no_bottleneck_resnet_is_refused():
    with pytest.raises(ValueError, match="'layer1.0.conv9.weight' is not a name"):
        from_torchvision({"layer1.0.conv9.weight": torch.zeros(1)})


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    first = ResNet(tiny_config(), seed=1).state_dict()
    state = torch.random.get_rng_state()
    again = ResNet(tiny_config(), seed=1).state_dict()
    other = ResNet(tiny_config(), seed=2).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_twins_differ_in_nothing_but_the_mixer():
    for name, config in PRESETS.items():
        if not name.startswith("gsa_"):
            twin = PRESETS[f"gsa_{name}"]
            assert config.twin() == twin
            assert twin.twin() == config
            assert {config.mixer, twin.mixer} == {"conv", "gsa"}
            assert replace(twin, mixers=config.mixers) == config


def test_stages_can_have_different_mixers():
    config = replace(tiny_config(), mixers=("conv", "conv", "gsa", "gsa"))
    assert list(ResNet(config).gsa_layers()) == ["3.1", "4.1"]
    assert config.mixer == "mixed"


def test_a_config_survives_the_way_through_json_values():
    config = tiny_config(projection_norm="rms", relative_init="local")
    assert NetworkConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"heads": 3}, "`widths` has 16, which `heads` (=3) does not divide."),
        ({"positional": "both?"}, "`positional` (='both?') must be of"),
        ({"content": False, "positional": "none"}, "needs a branch"),
        ({"input_size": 8}, "`input_size` (=8) must be a whole number of pixels, at least 32"),
        ({"input_size": 64.5}, "`input_size` (=64.5) must be a whole number"),
        ({"blocks": (1, 1)}, "one entry for each stage"),
        ({"blocks": 4}, "`blocks` (=4) must be a list"),
        ({"mixers": "conv"}, "`mixers` (='conv') must be a list"),
        ({"widths": (16, 32, 64, "128")}, "`widths` (=(16, 32, 64, '128')) must be whole"),
        ({"num_classes": 0}, "`num_classes` (=0) must be whole and positive"),
        ({"heads": 2.5}, "`heads` (=2.5) must be whole and positive"),
        ({"heads": (2,)}, "`heads` (=(2,)) must be whole and positive"),
        ({"positional": ("both",)}, "`positional` (=('both',)) must be of"),
        ({"content": "no"}, "`content` (='no') must be true or false"),
        ({"query_gain": "x"}, "`query_gain` (='x') must be a finite number"),
        ({"query_gain": True}, "`query_gain` (=True) must be a finite number"),
        ({"query_offset": float("nan")}, "`query_offset` (=nan) must be a finite number"),
        ({"name": "x"}, "a network has no field 'name'"),
        ({"depth": 3}, "a network has no field 'depth'"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=r"`|needs|has no") as caught:
        preset("gsa_resnet14_tiny", **changes)
    assert sentence in str(caught.value)
    values = preset("gsa_resnet14_tiny").to_dict() | changes
    with pytest.raises(ValueError, match=r"`|needs|has no") as caught:
        NetworkConfig.from_dict(values)
    assert sentence in str(caught.value)


def test_a_preset_may_be_changed_by_lists():
    changed = preset("gsa_resnet14_tiny", widths=[16, 16, 16, 16])
    assert changed == preset("gsa_resnet14_tiny", widths=(16, 16, 16, 16))


def test_lists_may_stand_for_tuples():
    config = NetworkConfig(blocks=[1, 1], widths=[16, 32], mixers=["gsa", "gsa"])
    assert config == NetworkConfig(blocks=(1, 1), widths=(16, 32), mixers=("gsa", "gsa"))
    assert hash(config) == hash(replace(config))


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="there is no preset 'resnet51'"):
        preset("resnet51")


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="a network needs a field 'blocks'"):
        NetworkConfig.from_dict({"heads": 4})


def test_pictures_are_prepared_for_the_weights():
    model = ResNet(tiny_config(), seed=0).double()
    assert model.prepared(torch.ones(2, 3, 4, 5)).dtype == torch.float64
    for shape in ((1, 1, 64, 64), (3, 64, 64), (0, 3, 64, 64), (1, 3, 0, 64)):
        with pytest.raises(ValueError, match=r"`x` has shape .* must be \(b, 3, rows, columns\)"):
            model.prepared(torch.ones(shape))
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\); it must be \(1, 3, rows, columns\)"):
        model.prepared(torch.ones(2, 3, 4, 5), single=True)
    with pytest.raises(ValueError, match=r"`x` is of torch.uint8; it must hold normalised"):
        model.prepared(torch.ones(2, 3, 4, 5, dtype=torch.uint8))


def test_torch_compile_takes_a_network_as_one_graph():
    model = ResNet(preset("gsa_resnet14_tiny", projection_norm="rms"), seed=0).eval()
    whole = torch.compile(copy.deepcopy(model), fullgraph=True, backend="eager", dynamic=False)
    for size in (64, 48):  # the second resizes the relative embeddings
        x = torch.randn(2, 3, size, size)
        torch.testing.assert_close(whole(x), model(x))
