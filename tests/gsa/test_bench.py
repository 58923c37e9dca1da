"""The benchmark measures what it says: known ratios come out, the page shows what was found."""

import json
import time
from pathlib import Path

import pytest
import torch

from gsa import bench, bench_limits, bench_page
from gsa.__main__ import main
from gsa.bench import Effort, Ratio, geometric_mean, in_turn
from gsa.bench_limits import Rates, roofline
from gsa.config import preset

QUICK = Effort(rounds=3, seconds=0.01)


def test_a_known_ratio_comes_out():
    contenders = {"gsa": lambda: time.sleep(0.002), "slow": lambda: time.sleep(0.008)}
    (found,) = in_turn("sleep", contenders, QUICK)
    assert (found.what, found.other) == ("sleep", "slow")
    assert 0.2 < found.ratio < 0.4
    assert found.low <= found.ratio <= found.high
    assert found.gsa == pytest.approx(0.002, rel=0.5)


def test_the_geometric_mean_and_its_target():
    ratios = [Ratio("a", "gsa-pytorch", r, r, r, 1.0, 1.0) for r in (0.2, 0.8)]
    (found,) = geometric_mean("module forward", ratios, "cpu")
    assert found.ratio == pytest.approx(0.4)
    assert found.met
    (strict,) = geometric_mean("module forward", ratios, "cuda")
    assert not strict.met


def test_all_mixers_give_what_a_convolution_gives():
    for name, mixer in bench._mixers(14, 32).items():
        assert mixer(torch.randn(1, 32, 14, 14)).shape == (1, 32, 14, 14), name


def test_both_gsa_modules_do_the_same_projections():
    def projections(module):
        return sum(isinstance(each, torch.nn.Conv2d) for each in module.modules())

    mixers = bench._mixers(14, 32)
    widths = {name: projections(mixers[name]) for name in ("gsa", "gsa-pytorch")}
    assert widths["gsa"] == 3
    # theirs makes queries, keys and values by one
    assert widths["gsa-pytorch"] == 1


def test_measuring_parts_leaves_the_callers_mode(monkeypatch):
    monkeypatch.setattr(bench_limits, "STAGES", ((6, 16),))
    next(bench_limits.parts(QUICK, Rates(1e9, 1e9)))
    assert not torch.is_inference_mode_enabled()


def test_the_shipped_page_is_that_of_the_shipped_results():
    folder = Path(__file__).parents[2] / "benchmarks"
    assert (folder / "README.md").read_text(encoding="utf-8") == bench_page.page(folder)


def test_a_page_that_somebody_wrote_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "run", lambda effort: pytest.fail("it was measured"))
    (tmp_path / "README.md").write_text("# My project")
    assert main(["bench", "--out", str(tmp_path)]) == 2
    assert "was not made by this program and would be lost" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "# My project"


def test_json_that_is_no_run_is_passed_over(tmp_path):
    whole = bench_page.page(tmp_path)
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    (tmp_path / "list.json").write_text("[1, 2]")
    assert bench_page.page(tmp_path) == whole


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "SIZES", (32, 64, 96))
    monkeypatch.setattr(bench, "_networks", lambda effort: iter(()))
    monkeypatch.setattr(bench, "_app", lambda effort: iter(()))
    arguments = ["--rounds", "2", "--seconds", "0.001", "--out", str(tmp_path), "--json"]
    assert main(["bench", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["what"] for row in found["ratios"]} >= {"module forward", "module step 8x8"}
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text == bench_page.page(tmp_path)
    row = found["ratios"][0]
    assert f"{row['ratio']:.2f} ({row['low']:.2f} to" in text
    assert found["machine"]["processor"] in text
    assert f"gsa {found['growth']['gsa']:.2f}" in text
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1)
    assert f"| 8x8 | {found['parts'][0]['name']} |" in text


def test_where_one_size_alone_was_measured_there_is_no_growth(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "SIZES", (32,))  # as on a machine that is too slow for two
    arguments = ["--rounds", "1", "--seconds", "0.001", "--only", "modules", "--out", str(tmp_path)]
    assert main(["bench", *arguments, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["growth"].values()) == {None}
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "gsa not measured, " in page
    assert "aim for gsa ≤ 1.5: missed)." in page


def test_networks_are_measured_at_every_size_and_in_memory(tmp_path, monkeypatch, capsys):
    def small(name, **changes):
        return preset(name.replace("resnet50", "resnet14_tiny"), **changes)

    monkeypatch.setattr(bench, "preset", small)
    monkeypatch.setattr(bench.torchvision.models, "resnet50", bench.torchvision.models.resnet18)
    folder = str(tmp_path)
    arguments = ["--rounds", "1", "--seconds", "0.001", "--only", "networks", "--out", folder]
    assert main(["bench", *arguments, "--sizes", "64", "128", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parts"], found["growth"], found["setting"]["sizes"]) == ([], {}, [64, 128])
    rows = {(row["what"], row["size"], row["other"]): row for row in found["ratios"]}
    assert len(rows) == 4 * 2 * 2
    assert {row["target"] for row in found["ratios"]} == {None}
    memory = [rows["network memory", size, "its conv twin"] for size in (64, 128)]
    # activations have four times as many pixels; weights and their gradients are as many as before
    assert memory[0]["against"] < memory[1]["against"] < 4 * memory[0]["against"]
    (path,) = tmp_path.glob("*.json")
    assert path.name == "cpu-float32-batch1-threads1-networks-64-128px.json"
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "1 thread(s), networks alone" in text
    assert "| network memory, 128 px | its conv twin |" in text
    assert "roofline" not in text


def test_the_aims_are_for_the_input_of_the_paper(monkeypatch):
    made = Ratio("network step", "torchvision ResNet-50", 1.2, 1.2, 1.2, 1.2, 1.0, target=1.3)
    monkeypatch.setattr(bench, "_networks_at", lambda size, effort: iter([made]))
    found = list(bench.run(Effort(sizes=(224, 64), only="networks")))
    assert [(ratio.size, ratio.target, ratio.met) for ratio in found] == [
        (224, 1.3, True),
        (64, None, None),
    ]


def test_the_parts_do_the_operations_of_the_module(monkeypatch):
    side, width = 6, 16
    monkeypatch.setattr(bench_limits, "STAGES", ((side, width),))
    found = {part.name: part for part in bench_limits.parts(QUICK, Rates(1e9, 1e9))}
    cells, channels = side * side, width // bench.HEADS
    assert found["projections to q, k, v"].flops == 3 * 2 * cells * width * width
    assert found["content branch"].flops == 2 * 2 * cells * width * channels
    for step in ("column", "row"):
        assert found[f"positional: {step} step"].flops == 2 * 2 * cells * side * width


def test_the_roofline_is_the_longer_of_both_times():
    machine = Rates(flops_per_second=100.0, bytes_per_second=10.0)
    assert roofline(200, 10, machine) == 2.0
    assert roofline(100, 30, machine) == 3.0


@pytest.mark.parametrize(
    ("effort", "sentence"),
    [
        ({"sizes": (224, 32)}, r"`sizes` \(=32\) must be from 64 to"),
        ({"only": "app", "device": "cuda"}, r"`only` \(='app'\) needs float32 on a CPU"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(effort, sentence):
    with pytest.raises(ValueError, match=sentence):
        Effort(**effort)


@pytest.mark.parametrize("name", ["rounds", "seconds", "batch", "threads"])
def test_no_effort_measures_nothing(name):
    with pytest.raises(ValueError, match=name):
        Effort(**{name: 0})
