import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from gsa import growth, scaling
from gsa.__main__ import main
from gsa.growth import crossovers, exponent
from gsa.machine import processor, versions
from gsa.scaling import Cost, DenseAttention, Setting
from tests.conftest import tiny_config

QUICK = Setting(repeat=0.001)


def cost(name, size, seconds):
    return Cost(name, size, size * size, 0, 0, seconds, 0.0, seconds * 1e6)


def test_dense_attention_is_softmax_attention():
    module = DenseAttention(8, 2).eval()
    x = torch.randn(2, 8, 5, 4)
    q, k, v = (
        each(x).flatten(-2).unflatten(1, (2, 4)) for each in (module.to_q, module.to_k, module.to_v)
    )
    weights = (torch.einsum("bhdp,bhdj->bhpj", q, k) / 2).softmax(-1)
    expected = torch.einsum("bhpj,bhdj->bhdp", weights, v).flatten(1, 2).view_as(x)
    torch.testing.assert_close(module(x), expected)


def test_dense_attention_takes_the_fused_kernel():
    """Which holds no weights: they alone would take more than all that is held."""
    module = DenseAttention(16, 4).eval().requires_grad_(False)
    x = torch.randn(1, 16, 48, 48)
    with torch.inference_mode():
        peak = scaling.peak_bytes(lambda: module(x), "cpu")
    assert 0 < peak < 4 * (48**2) ** 2 * 4 / 10


def test_the_peak_of_a_known_computation():
    x = torch.randn(256, 1024)  # 1 MiB

    def forward():
        (x + 1).mul(2).sum()  # the second lives beside the first

    assert 2 * 2**20 <= scaling.peak_bytes(forward, "cpu") < 2.1 * 2**20


def test_exponents_of_known_powers():
    for power in (1.0, 1.5, 2.0):
        series = [cost("a", size, 1e-6 * (size * size) ** power) for size in (32, 64, 128, 256)]
        assert exponent(series) == pytest.approx(power)
    overhead = [cost("a", size, 1.0 + (size * size) ** 2) for size in (2, 4, 64, 128, 256)]
    assert exponent(overhead) == pytest.approx(2, abs=0.01)
    assert math.isnan(exponent(overhead[:1]))
    assert math.isnan(exponent([cost("a", 8, math.nan), cost("a", 16, 1.0)]))


def test_small_sizes_are_left_out_of_an_exponent():
    """What a call costs whatever its size: the same up to the largest sizes, which grow."""
    sizes = [2**step for step in range(3, 6 + growth.FIT_FROM)]
    flat = sizes[-growth.FIT_FROM]
    series = [cost("a", size, float(max(size, flat) ** 4)) for size in sizes]
    assert exponent(series[::-1]) == pytest.approx(2)
    assert exponent(series[:-1]) < 1.9


def test_crossovers_of_known_lines():
    flat = [cost("flat", size, 64.0**2) for size in (32, 128)]
    steep = [cost("steep", size, float(size * size)) for size in (32, 128)]
    (found,) = crossovers([*flat, *steep])
    assert (found.cheaper_below, found.cheaper_above) == ("steep", "flat")
    assert found.size == pytest.approx(64)
    assert crossovers(flat) == []
    left_out = [cost("steep", 32, 1.0), cost("steep", 128, math.nan)]
    assert crossovers([*flat, *left_out]) == []


def test_a_crossing_within_the_scatter_is_none():
    flat = [cost("flat", size, 64.0**2) for size in (32, 64, 128)]
    steep = [cost("steep", size, value) for size, value in ((32, 1e3), (64, 4e3), (128, 2e4))]
    assert len(crossovers([*flat, *steep])) == 1
    unsure = [replace(each, spread=2e4) for each in steep]
    assert crossovers([*flat, *unsure]) == []
    (kept,) = crossovers([*flat, steep[0], unsure[1], steep[2]])  # told apart on both sides of it
    assert kept == crossovers([*flat, *steep])[0]  # and what lies between still says where


def test_a_module_is_not_held_against_its_parts():
    whole = [cost("gsa", 32, 1.0), cost("gsa", 128, 2.0)]
    part = [cost("content", 32, 2.0), cost("content", 128, 1.0)]
    assert crossovers([*whole, *part]) == []
    other = [replace(each, name="conv") for each in part]
    assert len(crossovers([*whole, *other])) == 1


def test_every_mixer_is_measured_at_every_size():
    costs = list(scaling.measure_layers(16, 4, (32, 64), QUICK))
    assert {(c.name, c.size) for c in costs} == {
        (name, size) for name in scaling.mixers(16, 4, 2) for size in (32, 64)
    }
    assert all(c.seconds > 0 and c.peak_bytes > 0 and c.flops > 0 for c in costs)
    by = {(c.name, c.size): c for c in costs}
    assert by["conv", 64].params == 9 * 16 * 16
    assert by["conv", 64].pixels == 16 * 16
    assert by["dense", 64].flops == 3 * 2 * 16 * 16 * 256 + 2 * 2 * 16 * 256**2
    assert by["content", 64].flops == 3 * 2 * 16 * 16 * 256 + 2 * 2 * 4 * 16 * 256


def test_operations_grow_as_the_theory_says():
    costs = list(scaling.measure_layers(16, 4, (256, 512, 1024), Setting(limit=1e-9)))
    power = {
        name: exponent([c for c in costs if c.name == name], "flops")
        for name in ("conv", "content")
    }
    assert power == pytest.approx({"conv": 1, "content": 1})
    assert 1.4 < exponent([c for c in costs if c.name == "positional"], "flops") < 1.5
    assert 1.95 < exponent([c for c in costs if c.name == "dense"], "flops") < 2


def test_what_would_take_too_long_is_left_out():
    costs = list(scaling.measure_layers(16, 4, (32, 64, 128), Setting(limit=1e-9, repeat=0.001)))
    first, rest = costs[:5], costs[5:]
    assert not any(c.left_out for c in first)  # nothing foretells the first size
    assert all(c.left_out for c in rest)
    assert rest[0].to_dict()["seconds"] is None
    assert all(c.flops > 0 for c in rest)


def test_networks_of_all_three_mixers_run():
    costs = list(scaling.measure_networks(tiny_config(), (32,), QUICK))
    assert [c.name for c in costs] == ["conv", "gsa", "dense"]
    built = scaling.networks(tiny_config(), 64)
    outputs = {name: model.eval()(torch.randn(1, 3, 64, 64)) for name, model in built.items()}
    assert {tuple(each.shape) for each in outputs.values()} == {(1, 5)}
    kinds = {type(module) for module in built["dense"].modules()}
    assert DenseAttention in kinds
    assert built["dense"].gsa_layers() == {}


def test_a_network_of_mixed_stages_is_measured_as_each_of_the_twins():
    mixed = replace(tiny_config(), mixers=("conv", "conv", "gsa", "gsa"))
    found = scaling.networks(mixed, 64)
    expected = scaling.networks(tiny_config(), 64)
    assert {name: model.config for name, model in found.items()} == {
        name: model.config for name, model in expected.items()
    }
    assert found["conv"].config.mixer == "conv"
    assert found["gsa"].config.mixer == "gsa"
    assert not found["conv"].gsa_layers()


@pytest.mark.parametrize("measured", [scaling.measure_layers, scaling.measure_networks])
def test_sizes_of_the_same_grid_are_refused(measured):
    about = (16, 4) if measured is scaling.measure_layers else (tiny_config(),)
    measured(*about, (36, 37))
    with pytest.raises(ValueError, match="must give grids that differ"):
        measured(*about, (33, 36))


def test_the_fused_operation_is_torchs_own(monkeypatch):
    calls = []
    right = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a: calls.append(1) or right(*a))
    DenseAttention(8, 2)(torch.randn(1, 8, 3, 3))
    assert calls


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dtype": "int8"}, "`dtype`"),
        ({"threads": 0}, "`threads`"),
        ({"limit": 0}, "`limit`"),
        ({"limit": float("inf")}, "`limit`"),
        ({"device": "abacus"}, "`device`"),
    ],
)
def test_bad_settings_get_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Setting(**changes)
    with pytest.raises(ValueError, match="`sizes`"):
        scaling.measure_layers(16, 4, (4,))
    with pytest.raises(ValueError, match="divisible"):
        scaling.measure_layers(16, 3, (32,))


def test_the_command(capsys):
    assert main(["scaling", "--width", "16", "--heads", "4", "--sizes", "32", "64", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["costs"]) == 10
    assert found["measured"] == {"width": 16, "heads": 4}
    assert found["machine"] == {"processor": processor(), "gpu": "", "versions": versions()}
    assert {row["name"] for row in found["exponents"]} == {row["name"] for row in found["costs"]}
    assert main(["scaling", "--width", "16", "--heads", "4", "--sizes", "32"]) == 0
    shown = capsys.readouterr().out
    assert "32px" in shown
    assert "exponents" not in shown  # one size has no growth
    assert "nan" not in shown
    assert main(["scaling", "--network", "gsa_resnet14_tiny", "--sizes", "32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measured"] == {"network": "gsa_resnet14_tiny"}
    assert main(["scaling", "--network", "nothing"]) == 2
    assert "no preset 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--width", "--heads"])
def test_a_network_has_its_own_width_and_heads(capsys, option):
    assert main(["scaling", "--network", "gsa_resnet50", option, "8"]) == 2
    said = capsys.readouterr()
    assert said == ("", "gsa: a network has its own width and heads: name no others with it.\n")


def test_nothing_is_said_of_cuda_before_something_is_timed():
    """torch's module for extensions, which its timer imports, warns where there is no GPU."""
    code = (
        "import sys; from gsa import bench, bench_limits, scaling; "
        "print('torch.utils.cpp_extension' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_memory_that_hardly_differs_is_told_apart_by_nobody():
    one = [replace(cost("one", size, 1.0), peak_bytes=1000) for size in (32, 128)]
    other = [
        replace(cost("other", size, 1.0), peak_bytes=held)
        for size, held in ((32, 1040), (128, 900))
    ]
    assert crossovers([*one, *other], "peak_bytes") == []
    other[0] = replace(other[0], peak_bytes=1100)
    assert len(crossovers([*one, *other], "peak_bytes")) == 1
