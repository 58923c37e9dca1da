"""What is shipped beside the code: checkpoints, their page, and the README's promises."""

import doctest
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import gsa
from gsa.__main__ import main
from gsa.cells import Cells
from gsa.checkpoints import available, folder, load, read_card
from gsa.maps import branches
from gsa.pictures import open_picture
from gsa.proofs import TOLERANCE_FLOAT32, Proof, prove
from gsa.record import record
from gsa.report import report
from gsa.twins import pairs

ROOT = Path(__file__).parents[1]


def test_there_is_a_whole_pair():
    assert "caltech94" in pairs()


@pytest.mark.parametrize("name", available())
def test_a_checkpoint_fits_its_card(name):
    checkpoint = load(name)
    card = checkpoint.card
    assert len(set(card.classes)) == len(card.classes)
    assert card.recipe["size"] == card.preprocess.size == card.network.input_size
    assert card.results["n"] > 1000
    assert card.results["top1_interval"][0] < card.results["top1"]
    assert (folder() / f"{name}.safetensors").stat().st_size < 50 * 2**20
    assert card.use
    assert card.limits


def test_twins_differ_in_the_mixer_alone():
    for twins in pairs().values():
        attention, conv = read_card(twins["gsa"]), read_card(twins["conv"])
        assert attention.recipe == conv.recipe
        assert attention.classes == conv.classes
        assert attention.data == conv.data
        assert attention.network.blocks == conv.network.blocks


def test_the_page_of_the_checkpoints_is_what_the_cards_say():
    page = (folder() / "README.md").read_text(encoding="utf-8")
    assert page == report(folder())


def test_the_default_network_knows_pictures_of_the_gallery(capsys):
    """Far above the 1 in 94 of chance; the pictures are from the part nothing was trained on."""
    lines = (ROOT / "app" / "gallery" / "CREDITS.md").read_text().splitlines()
    known = [line.split("|")[1].strip() for line in lines if line.endswith("| known |")]
    paths = [str(ROOT / "app" / "gallery" / name) for name in known]
    assert main(["classify", *paths, "--json", "--top", "5"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert len(results) == len(known) > 20
    from gsa.data import KNOWN

    words = KNOWN["caltech-94"].labels
    right = 0
    for result in results:
        folder_name = Path(result["file"]).stem.rsplit("_", 1)[0]
        label = words.get(folder_name, folder_name.replace("_", " "))
        right += label in [entry["label"] for entry in result["top"]]
    assert right >= len(known) / 2


@pytest.mark.parametrize("name", [twins["gsa"] for twins in pairs().values()])
@pytest.mark.parametrize("file", ["dragonfly_0041.jpg", None])
def test_maps_of_plain_pictures_are_proved_as_well(name, file):
    """Where a picture is plain, what a layer adds up nearly cancels, and rounding weighs most."""
    checkpoint = load(name)
    picture = Image.new("RGB", (160, 160), "white")
    if file:
        picture = open_picture(ROOT / "app" / "gallery" / file)
    preprocess = checkpoint.preprocess
    recording = record(checkpoint.model, preprocess.tensor(preprocess.crop(picture)))
    for layer in recording.layers.values():
        places = [
            Cells.at(row, column)
            for row in range(0, layer.shape[0], max(layer.shape[0] // 4, 1))
            for column in range(0, layer.shape[1], max(layer.shape[1] // 4, 1))
        ]
        for branch in branches(layer):
            worst = Proof.worst([prove(layer, branch, cells) for cells in places])
            assert worst.max_rel_error <= TOLERANCE_FLOAT32, (layer.name, branch)


def test_the_example_of_the_package_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.testmod(gsa)
    assert found.failed == 0
    assert found.attempted > 5
    assert "SKIP" not in gsa.__doc__


def test_the_pages_link_to_files_that_exist():
    for page in ("README.md", "docs/architecture.md", "checkpoints/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
        assert page != "README.md" or "docs/screenshot.png" in links
        for link in links:
            assert (ROOT / page).parent.joinpath(link).is_file(), (page, link)


def test_every_module_has_its_place_on_the_page_of_the_layout():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for folder_ in ("gsa", "app"):
        part = text[text.index(f"\n{folder_}/") :].split("\n\n")[0].split("```")[0]
        # names stand two columns in, before what is said of them or on a line of their own
        lines = re.findall(r"^  ((?:\w+, )*\w+)(?: +\S|$)", part, re.MULTILINE)
        named = {name for line in lines for name in line.split(", ")}
        modules = {path.stem for path in (ROOT / folder_).glob("[a-z]*.py")}
        assert modules - named == set()


def test_the_python_of_the_readme_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names: dict = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    x = torch.randn(2, 64, 56, 56)
    assert names["module"](x).shape == x.shape
