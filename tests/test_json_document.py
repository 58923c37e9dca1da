"""The page of the JSON fields tells what the commands print and what cards hold, both ways."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gsa import bench, bench_limits, checkpoints, scaling
from gsa.__main__ import main
from gsa.config import preset
from gsa.seeds import seeds_folder
from tests import document_support
from tests.conftest import photo
from tests.document_support import differing, fits

CLASSES = ("ant", "bee", "cat", "dog", "eel")  # of the tiny networks
RECIPE = """
pair = "{pair}"
data = "{data}"
network = "resnet14_tiny"
size = 32
epochs = 2
restart = 1
batch_size = 4
hold_out = {hold_out}
precision = "32-true"
{more}
[shape]
heads = 2
[gsa]
projection_norm = "rms"
"""
SHAPE = "recipe.shape.<field>"  # which no recipe of what is shipped needs
VARIANTS = """
[[variants]]
name = "conv"
mixer = "conv"
[[variants]]
name = "content alone"
gsa = { positional = "none" }
"""


@pytest.fixture
def run(capsys):
    """A command, by its arguments, to what it prints."""

    def printed(*arguments):
        assert main([*map(str, arguments), "--json"]) in (0, 2), capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return printed


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "blobs.jpg"
    photo().save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of the tiny networks' classes, to learn from and to judge by."""
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 3), ("val", 2)):
        for at, class_ in enumerate(CLASSES):
            (root / split / class_).mkdir(parents=True)
            for n in range(count):
                photo(70, 64, seed=10 * at + n).save(root / split / class_ / f"{n}.png")
    return root


def shipped(folder, *names):
    """Copies of checkpoints."""
    folder.mkdir()
    for name in names:
        for path in checkpoints.folder().glob(f"{name}.*"):
            shutil.copy(path, folder)
    return folder


def test_every_command_has_a_section(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert sorted(document_support.commands()) == sorted(listed)


def test_every_link_leads_to_a_section_and_every_table_has_a_use():
    text = document_support.PAGE.read_text(encoding="utf-8")
    anchors = {anchor for anchor, _ in document_support.tables()}
    links = set(re.findall(r"\]\(#([\w-]+)\)", text))
    assert links <= anchors
    shared = text.split("\n## Shared tables\n")[1].split("\n## ")[0]
    named = {name.lower().replace(" ", "-") for name in re.findall("### (.+)", shared)}
    assert named <= links


def test_a_field_that_differs_is_found():
    assert differing("report", [{"written": "a"}]) == []
    assert differing("report", [{"written": "a", "more": 1}]) == ["more is not on the page"]
    assert differing("report", [{"written": 1}]) == ["written is 1 and no string"]
    assert differing("report", [{}]) == ["written is missing", "written was never there"]
    right = {"p10": 0.5, "median": 1, "p90": 2.5}
    assert differing("percentiles", [right, {**right, "median": 0.5}]) == []
    assert differing("percentiles", [right]) == ["median is always whole"]
    del right["p10"]
    assert "p10 is missing" in differing(
        "percentiles", [right, dict.fromkeys(("p10", *right), 0.5)]
    )


@pytest.mark.parametrize(
    ("value", "right", "wrong"),
    [
        (1, "integer", "boolean"),
        (True, "boolean", "integer"),
        (None, "number?", "number"),
        ([1, None], "integer?[2]", "integer[2]"),
        ([1, 2], "number[]", "number[3]"),
        ([[1, 2]], "integer[][2]", "integer[2][]"),
        ("a", "string or number", "number"),
    ],
)
def test_types_are_told_apart(value, right, wrong):
    assert fits(value, right)
    assert not fits(value, wrong)


def test_info(run, tmp_path, monkeypatch):
    folder = shipped(tmp_path / "some", "caltech94_gsa", "imagenette_conv")
    (folder / "imagenette_conv.safetensors").write_bytes(b"no weights")
    (folder / "broken.safetensors").touch()
    (folder / "broken.json").write_text("{}")
    monkeypatch.setenv(checkpoints.ENVIRONMENT, str(folder))
    assert differing("info", [run("info")], absent=f"checkpoints[].{SHAPE}") == []


def test_classify(run, tiny_checkpoints, image, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    assert differing("classify", [run("classify", bad, image)]) == []


def test_maps(run, tiny_checkpoints, image, tmp_path):
    found = run("maps", image, "--query", 20, 41, "--layer", "2.1", "--out", tmp_path)
    assert differing("maps", [found]) == []


def test_range(run, tiny_checkpoints, image):
    assert differing("range", [run("range", image, "--step", 8)]) == []


def test_verify(run, tiny_checkpoints):
    assert differing("verify", [run("verify", "--queries", 1)]) == []


def test_erf(run, tiny_checkpoints):
    assert differing("erf", [run("erf", "--count", 1)]) == []


def test_deletion(run, tiny_checkpoints):
    assert differing("deletion", [run("deletion", "--count", 1, "--methods", "saliency")]) == []


def test_scaling(run, monkeypatch):
    measured = [
        run("scaling", "--sizes", 32),
        run("scaling", "--network", "resnet14_tiny", "--sizes", 32),
    ]

    def ideal(cost, *_):
        return replace(cost, seconds=cost.flops * 1e-12, spread=0.0, peak_bytes=1.0 * cost.pixels)

    # by operations alone it is certain that dense attention and convolution change places
    monkeypatch.setattr(scaling, "_timed", ideal)
    assert differing("scaling", [*measured, run("scaling", "--sizes", 32, 128)]) == []


def test_differ(run, tiny_checkpoints, data):
    assert differing("differ", [run("differ", data)]) == []


def test_stress(run, tiny_checkpoints, data):
    assert differing("stress", [run("stress", data, "--tests", "crop", "shuffle")]) == []


def test_probe(run):
    assert differing("probe", [run("probe", "same", "--steps", 6)]) == []


def test_train_and_report(run, data, tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.ENVIRONMENT, str(tmp_path))

    def trained(pair, hold_out, more=""):
        recipe = tmp_path / f"{pair}.toml"
        named = {"pair": pair, "data": data.as_posix(), "hold_out": hold_out, "more": more}
        recipe.write_text(RECIPE.format(**named))
        return run("train", recipe, "--runs", tmp_path / "runs", "--out", tmp_path)

    first = trained("first", 0.2)
    second = trained("second", 0.2, 'init_from = "first"\nteachers = ["first_conv"]')
    assert differing("train", [first, second, trained("whole", 0.0)]) == []
    whole, part = (
        json.loads((tmp_path / f"{pair}_gsa.curves.json").read_text())
        for pair in ("whole", "first")
    )
    assert differing("history", [*whole, *part]) == []
    assert "held_out_top1" not in whole[0]
    assert differing("report", [run("report", "--folder", tmp_path)]) == []


def test_ablate(run, data, tmp_path):
    recipe = tmp_path / "parts.toml"
    text = RECIPE.format(pair="parts", data=data.as_posix(), hold_out=0.2, more="")
    recipe.write_text(text + VARIANTS)
    out = tmp_path / "parts.json"
    found = [
        run("ablate", recipe, "--runs", tmp_path / "runs", "--out", out, "--seeds", seeds)
        for seeds in (1, 2)
    ]
    assert differing("ablate", found) == []
    assert json.loads(out.read_text()) == found[1]


def test_evaluate(run, tiny_checkpoints, data):
    assert differing("evaluate", [run("evaluate", "tiny_gsa", data)]) == []


def test_shares(run, tiny_checkpoints, data, tmp_path):
    out = tmp_path / "shares.json"
    found = run("shares", "tiny_gsa", data, "--pictures", 2, "--seeds", 1, "--out", out)
    assert differing("shares", [found]) == []
    assert json.loads(out.read_text()) == found


def test_bench(run, tmp_path, monkeypatch):
    def small(name, **changes):
        return preset(name.replace("resnet50", "resnet14_tiny"), **changes)

    monkeypatch.setattr(bench, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "STAGES", ((8, 16),))
    monkeypatch.setattr(bench_limits, "SIZES", (32, 64))
    monkeypatch.setattr(bench, "preset", small)
    monkeypatch.setattr(bench.torchvision.models, "resnet50", bench.torchvision.models.resnet18)
    quick = ["bench", "--rounds", 1, "--seconds", 0.001, "--sizes", 64]
    modules = run(*quick, "--only", "modules", "--out", tmp_path)
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text()) == modules
    assert differing("bench", [modules, run(*quick, "--only", "networks")]) == []


def test_cards_that_are_shipped():
    folder = checkpoints.folder()
    paths = [folder / f"{name}.json" for name in checkpoints.available()]
    paths += seeds_folder(folder).glob("*.json")
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert differing("card", cards, absent=SHAPE) == []
    curves: list[Path] = list(folder.glob(f"*{checkpoints.HISTORY}"))
    assert len(curves) > 1
    notes = [each for path in curves for each in json.loads(path.read_text(encoding="utf-8"))]
    assert differing("history", notes) == []
