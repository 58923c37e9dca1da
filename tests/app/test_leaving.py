"""What leaves the app shows what the page shows, and says where it is from."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app import leaving, panels
from app.drawing import View
from app.resources import Seen
from app.selection import Selection
from app.state import Picture
from gsa.checkpoints import load
from gsa.record import record
from tests.conftest import photo


@pytest.fixture
def view(checkpoint_folder):
    checkpoint = load("tiny_gsa", checkpoint_folder)
    shot = photo()
    stream = io.BytesIO()
    shot.save(stream, "PNG")
    crop = checkpoint.preprocess.crop(shot)
    recording = record(checkpoint.model, checkpoint.preprocess.tensor(crop))
    box = checkpoint.preprocess.crop_box(*shot.size)
    seen = Seen("key", checkpoint, recording, crop, box, shot.size, ())
    chosen = Selection(0.25, 0.5, bottom=0.5, right=0.75)
    found = panels.all_layers(recording, chosen)
    return View({"gsa": seen}, Picture("blobs.png", stream.getvalue()), chosen, "2.1", found)


@pytest.mark.parametrize("scope", ["layers", "heads"])
def test_a_png_opens_and_names_its_weights(view, scope):
    picture = Image.open(io.BytesIO(leaving.file(view, scope, "png")))
    picture.load()
    provenance = json.loads(picture.text["Description"])
    assert provenance["weights_sha256"] == view.gsa.card.sha256
    assert provenance["picture_sha256"] == view.picture.digest
    assert provenance["region"] == [16, 32, 32, 48]
    assert provenance["heads"] == ("each" if scope == "heads" else "mean")


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_text_figures_are_whole_and_ask_nothing_of_other_hosts(view, kind):
    text = leaving.file(view, "heads", kind).decode()
    assert view.gsa.card.sha256 in text
    assert "Head 4" in text
    assert 'href="http' not in text
    assert 'src="http' not in text


def test_a_figure_says_what_it_shows(view):
    chosen = replace(view.chosen, heads="2", direction="to", value="deviation")
    layers = leaving.file(replace(view, chosen=chosen), "layers", "svg").decode()
    for said in ("Above or below average, Head 3, To here", "above or below the mean of its map"):
        assert said in layers
    assert "Above or below average, layer 2.1, each head" in leaving.file(
        replace(view, chosen=chosen), "heads", "svg"
    ).decode()  # fmt: skip


def test_an_npz_says_that_its_maps_are_the_weights_of_each_head(view):
    shown = replace(view, chosen=replace(view.chosen, heads="max", value="contribution"))
    archive = np.load(io.BytesIO(leaving.file(shown, "layers", "npz")))
    said = json.loads(str(archive["provenance"]))
    assert (said["heads"], said["value"], said["scale"]) == ("each", "weight", "none")


@pytest.mark.parametrize("direction", ["from", "to"])
def test_an_npz_holds_the_maps_of_the_rectangle(view, direction):
    shown = replace(view, chosen=replace(view.chosen, direction=direction))
    archive = np.load(io.BytesIO(leaving.file(shown, "layers", "npz")))
    assert tuple(archive["cells_2.1"]) == (4, 8, 8, 12)
    for branch in ("content", "positional"):
        wanted = panels.shown(view.gsa.recording, "2.1", branch, shown.chosen, "mean").shown
        np.testing.assert_allclose(archive[f"{branch}_2.1"].mean(axis=0), wanted, rtol=1e-5)
        assert archive[f"error_{branch}_2.1"] < 1e-5


def test_names_tell_what_a_file_is(view):
    assert leaving.file_name(view, "heads", "svg") == "blobs-layer-2.1.svg"
    assert leaving.file_name(view, "layers", "npz") == "blobs-layers.npz"
    assert leaving.file_name(view, "companions", "png") == "blobs-layer-2.1-companions.png"


def test_a_link_to_another_section_than_the_first_scrolls_there():
    assert leaving.link(Selection(section="matter"), "a.jpg").endswith("&section=matter#section")
    assert "#" not in leaving.link(Selection(), "a.jpg")
