"""Ablations on tiny pictures: what is written, that it resumes, and that `val` stays closed."""

import json
from pathlib import Path
from statistics import stdev

import pytest

from gsa import ablation as module
from gsa.__main__ import main
from gsa.ablation import Ablation, Variant, ablate, read_ablation
from gsa.evaluate import wilson
from gsa.recipe import Recipe, RecipeError
from gsa.report import report
from tests.conftest import photo

HEAD = """
pair = "parts"
data = "{data}"
network = "resnet14_tiny"
size = 32
epochs = 1
batch_size = 4
warmup = 0.5
hold_out = 0.25
precision = "32-true"
"""
VARIANTS = """
[[variants]]
name = "conv"
mixer = "conv"
[[variants]]
name = "content alone"
gsa = { positional = "none" }
[[variants]]
name = "late stages"
gsa = { mixers = ["conv", "conv", "gsa", "gsa"] }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Only a `train` part: an ablation that asked for `val` would fail."""
    root = tmp_path_factory.mktemp("parts")
    for c, class_ in enumerate(("one", "two")):
        (root / "train" / class_).mkdir(parents=True)
        for n in range(8):
            photo(36, 36, seed=100 * c + n).save(root / "train" / class_ / f"{n}.png")
    (root / "parts.toml").write_text(HEAD.format(data=root.as_posix()) + VARIANTS)
    return root


@pytest.fixture(scope="module")
def results(folder, one_thread):
    out = folder / "results" / "parts.json"
    found = ablate(read_ablation(folder / "parts.toml"), None, folder / "runs", out)
    assert json.loads(out.read_text()) == found
    return found


def test_every_variant_is_trained_and_counted(results):
    entries = {entry["name"]: entry for entry in results["variants"]}
    assert list(entries) == ["conv", "content alone", "late stages"]
    content, late = entries["content alone"], entries["late stages"]
    assert content["params"] < late["params"] < entries["conv"]["params"]
    assert content["flops"] != late["flops"]
    for entry in entries.values():
        (run,) = entry["runs"]
        assert [row["epoch"] for row in run["history"]] == [1]
        assert run["held_out_top1"] == run["history"][-1]["held_out_top1"]
        assert (run["seed"], run["cost"]["seed"], run["cost"]["epochs"]) == (0, 0, 1)
        assert entry["held_out_top1"] == run["held_out_top1"]
        assert entry["loss"] == run["loss"]
        assert entry["interval"] == wilson(entry["held_out_top1"], 4)
        assert entry["deviation"] is None
    assert (results["data"]["train"], results["data"]["held_out"]) == (12, 4)


def test_what_is_done_is_not_done_again(folder, results, tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    out = tmp_path / "parts.json"
    ablation = read_ablation(folder / "parts.toml")
    trained = []

    def train(*arguments):
        if len(trained) == 2:
            raise StopError
        trained.append(arguments[1].name)
        return real(*arguments)

    real = module._train
    monkeypatch.setattr(module, "_train", train)
    with pytest.raises(StopError):
        ablate(ablation, None, tmp_path / "runs", out)
    assert [entry["name"] for entry in json.loads(out.read_text())["variants"]] == trained
    monkeypatch.setattr(module, "_train", real)
    found = ablate(ablation, None, tmp_path / "runs", out)

    assert without_time(found) == without_time(results)
    for entry in found["variants"]:
        entry["held_out_top1"] = 2.0  # as where runs were put into the file by hand
    out.write_text(json.dumps(found))
    ablate(ablation, None, tmp_path / "runs", out)
    assert without_time(json.loads(out.read_text())) == without_time(results)


def without_time(results):
    """Everything but what training took."""
    kept = [{k: v for k, v in each.items() if k != "runs"} for each in results["variants"]]
    runs = [
        (run["seed"], run["held_out_top1"], [row["loss"] for row in run["history"]])
        for entry in results["variants"]
        for run in entry["runs"]
    ]
    return kept, runs


def test_further_seeds_join_what_is_there_and_are_told_as_mean_and_scatter(
    folder, results, tmp_path, monkeypatch, one_thread
):
    out = tmp_path / "ablation.json"
    out.write_text(json.dumps(results))
    ablation = read_ablation(folder / "parts.toml")
    trained = []

    def train(*arguments):
        run = real(*arguments)
        run["held_out_top1"] = (len(trained) + 1) / 16  # told apart, whatever they learned
        trained.append((arguments[2], arguments[1].name))
        return run

    real = module._train
    monkeypatch.setattr(module, "_train", train)
    found = ablate(ablation, None, folder / "runs", out, seeds=3)
    names = [entry["name"] for entry in results["variants"]]
    assert trained == [(seed, name) for seed in (1, 2) for name in names]
    assert json.loads(out.read_text()) == found
    for at, (entry, before) in enumerate(
        zip(found["variants"], results["variants"], strict=True), 1
    ):
        first, second, third = entry["runs"]
        assert first == before["runs"][0]
        assert [run["seed"] for run in entry["runs"]] == [0, 1, 2]
        assert second["loss"] != first["loss"] != third["loss"]  # another start, other batches
        top1 = [first["held_out_top1"], at / 16, (at + 3) / 16]
        assert entry["held_out_top1"] == pytest.approx(sum(top1) / 3)
        mean = sum(top1) / 3
        assert entry["deviation"] == pytest.approx((sum((t - mean) ** 2 for t in top1) / 2) ** 0.5)
        assert entry["interval"] == wilson(entry["held_out_top1"], 4)
        assert entry["loss"] == pytest.approx(sum(run["loss"] for run in entry["runs"]) / 3)
        row = next(r for r in report(tmp_path).splitlines() if r.startswith(f"| {entry['name']} |"))
        assert f"| {mean:.1%} ± {entry['deviation']:.1%} (" in row
        assert f"{at / 16:.1%} (1), {(at + 3) / 16:.1%} (2)" in row
    assert "standard deviation over seeds" in report(tmp_path)
    assert ablate(ablation, None, folder / "runs", out) == found  # none is lost by asking for less
    assert len(trained) == 6


def test_an_ablation_has_a_seed(folder, tmp_path):
    with pytest.raises(RecipeError, match=r"`seeds` \(=0\) must be at least 1"):
        ablate(read_ablation(folder / "parts.toml"), None, tmp_path, tmp_path / "x.json", seeds=0)


def test_results_of_another_ablation_are_not_mixed_in(folder, results, tmp_path):
    out = tmp_path / "parts.json"
    for change in ({"recipe": {**results["recipe"], "epochs": 2}}, {"variants": [
        {**results["variants"][1], "options": {}}
    ]}):  # fmt: skip
        out.write_text(json.dumps({**results, **change}))
        with pytest.raises(RecipeError, match="holds another ablation"):
            ablate(read_ablation(folder / "parts.toml"), None, folder / "runs", out)
    more = {**results, "data": {**results["data"], "train": 13}}
    out.write_text(json.dumps(more))
    with pytest.raises(RecipeError, match="holds results on other pictures"):
        ablate(read_ablation(folder / "parts.toml"), None, folder / "runs", out)
    out.write_text("{}")
    with pytest.raises(RecipeError, match="does not hold the results of an ablation"):
        ablate(read_ablation(folder / "parts.toml"), None, folder / "runs", out)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no list of tables `variants`"),
        ('[variants]\nname = "x"', "has no list of tables `variants`"),
        ('[[variants]]\nname = "x"\ncolour = 1', "does not fit"),
        ('[[variants]]\nname = "x"\nmixer = "mlp"', "`mixer` (='mlp') of 'x' must be one of"),
        ('[[variants]]\nname = "x"\n[[variants]]\nname = "x"', "two variants"),
        (
            '[[variants]]\nname = "k+v"\n[[variants]]\nname = "k-v"',
            "one folder for their runs, `k_v`",
        ),
        ("[[variants]]\nname = 3", "`name` (=3) of a variant must have a letter"),
        ('[[variants]]\nname = "β"', "`name` (='β') of a variant must have a letter"),
        ('[[variants]]\nname = "x"\ngsa = "y"', "`gsa` (='y') of 'x' must be a table"),
    ],
)
def test_variants_that_break_a_rule_are_refused(tmp_path, text, sentence):
    path = tmp_path / "r.toml"
    path.write_text(HEAD.format(data="d") + text)
    with pytest.raises(RecipeError) as caught:
        read_ablation(path)
    assert sentence in str(caught.value)


def test_an_ablation_needs_something_to_be_judged_by():
    with pytest.raises(RecipeError, match="`hold_out`"):
        Ablation(Recipe("p", "d", "resnet14_tiny", 32, 1, hold_out=0.0), (Variant("x"),))


def test_an_ablation_of_a_recipe_with_a_start_is_refused(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(HEAD.format(data="d") + 'init_from = "caltech94"\n' + VARIANTS)
    with pytest.raises(RecipeError, match=r"`init_from` \(='caltech94'\) must be empty"):
        read_ablation(path)


def test_a_share_that_holds_out_no_picture_is_refused_before_training(folder, tmp_path):
    path = tmp_path / "r.toml"
    text = HEAD.format(data=folder.as_posix()).replace("0.25", "0.02") + VARIANTS
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"`hold_out` \(=0.02\) holds out none of the 16"):
        ablate(read_ablation(path), None, tmp_path / "runs", tmp_path / "out.json")
    assert not (tmp_path / "runs").exists()


def test_a_file_of_results_that_cannot_be_written_is_refused_before_training(
    folder, tmp_path, capsys
):
    arguments = ["ablate", str(folder / "parts.toml"), "--runs", str(tmp_path / "runs")]
    (tmp_path / "file").write_text("")
    for out, sentence in (
        (tmp_path, "is a folder; name a file"),
        (tmp_path / "file" / "x", "file"),
    ):
        assert main([*arguments, "--out", str(out)]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_an_option_that_no_network_has_is_found_before_training(folder, tmp_path):
    path = tmp_path / "r.toml"
    text = HEAD.format(data=folder.as_posix()) + VARIANTS
    path.write_text(text + '[[variants]]\nname = "last"\ngsa = { colour = 3 }')
    with pytest.raises(ValueError, match="a network has no field 'colour'"):
        ablate(read_ablation(path), None, tmp_path / "runs", tmp_path / "out.json")
    assert not (tmp_path / "runs").exists()


def test_the_shipped_ablation_makes_its_networks():
    path = Path(__file__).parents[2] / "recipes" / "ablation.toml"
    ablation = read_ablation(path)
    configs = [
        ablation.recipe_of(variant).config(variant.mixer, 7) for variant in ablation.variants
    ]
    assert len(set(configs)) == len(ablation.variants)
    assert {config.mixer for config in configs} == {"gsa", "conv", "mixed"}


def test_the_shipped_ablation_says_the_means_of_its_runs():
    path = Path(__file__).parents[2] / "checkpoints" / "ablation.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    for entry in found["variants"]:
        top1 = [run["held_out_top1"] for run in entry["runs"]]
        assert len(top1) > 1
        assert entry["held_out_top1"] == pytest.approx(sum(top1) / len(top1))
        assert entry["deviation"] == pytest.approx(stdev(top1))
        assert entry["interval"] == list(wilson(entry["held_out_top1"], found["data"]["held_out"]))


def test_the_command_and_the_page_tell_the_results(folder, results, tmp_path, capsys):
    arguments = ["ablate", str(folder / "parts.toml"), "--runs", str(folder / "runs")]
    out = folder / "results" / "parts.json"
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == results
    assert main([*arguments, "--out", str(out)]) == 0
    assert "content alone" in capsys.readouterr().out

    assert "parts of the module" not in report(tmp_path)
    (tmp_path / "ablation.json").write_text(out.read_text())
    page = report(tmp_path)
    for entry in results["variants"]:
        row = next(line for line in page.splitlines() if line.startswith(f"| {entry['name']} |"))
        assert f"{entry['held_out_top1']:.1%}" in row
        assert f"{entry['params'] / 1e6:.2f} M" in row
