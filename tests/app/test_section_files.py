"""Strips of the sections as files: they open, say what they show and where it is from."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from app import companions, experiments, section_files
from app.text import words
from gsa import faithfulness, figures
from gsa.checkpoints import load
from tests.app import test_leaving

TEXT = words("look")
DELTAS = {"gsa": 0.5, "conv": -0.25}  # of integrated gradients
CHANCE = {
    mixer: faithfulness.Chance(
        np.linspace(0, 1, 5), np.linspace(1, 0, 5), float(np.mean(areas)), np.array(areas)
    )
    for mixer, areas in (("gsa", (0.4, 0.6)), ("conv", (0.2, 0.3, 0.4)))  # made-up maps have 0.25
}
view = test_leaving.view


@pytest.fixture
def drawn(monkeypatch):
    """The panels and figures that are drawn meanwhile."""
    kept = []

    def strip(crop, panels, title="", legend=""):
        figure = figures_strip(crop, panels, title, legend)
        kept.append((panels, figure))
        return figure

    figures_strip = figures.strip
    monkeypatch.setattr(figures, "strip", strip)
    return kept


@pytest.fixture
def still(view, monkeypatch):
    """The view, while every companion is the recording itself."""
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    return view


@pytest.fixture
def twins(view, checkpoint_folder):
    """The view with both twins, and attributions of one class, made up."""
    conv = replace(view.gsa, network=load("tiny_conv", checkpoint_folder))
    rng = np.random.default_rng(0)
    found = {
        (method, mixer): SimpleNamespace(
            attribution=SimpleNamespace(
                values=rng.standard_normal((64, 64)),
                signed=True,
                delta=DELTAS[mixer] if method == "integrated_gradients" else None,
            ),
            deletion=SimpleNamespace(
                area=0.3 if method == "middle" else 0.25,
                shares=np.linspace(0, 1, 5),
                probabilities=rng.uniform(size=5),
            ),
        )
        for method in TEXT["methods"]
        for mixer in TEXT["twins"]
    }
    return replace(view, seen={"gsa": view.gsa, "conv": conv}), found


def shares_missed(found):
    """Of the change of the score, to which integrated gradients add up with a delta."""
    for mixer, delta in DELTAS.items():
        yield delta / (found["integrated_gradients", mixer].attribution.values.sum() - delta)


def provenance(data):
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert min(picture.size) > 300
    return json.loads(picture.text["Description"])


def said(figure):
    """All words of a figure, however they are broken into lines."""
    found = [*figure.texts, *(axis.title for axis in figure.axes)]
    if figure._suptitle:
        found.append(figure._suptitle)
    return " ".join(" ".join(each.get_text().split()) for each in found)


def crowded(figure):
    """Titles that lie over a map or over the figure's sentences."""
    figure.canvas.draw()
    maps_ = [axis.get_window_extent() for axis in figure.axes]
    below = [each.get_window_extent() for each in figure.texts]
    return [
        axis.get_title()
        for axis in figure.axes
        for box in (*maps_, *below)
        if axis.get_title() and axis.title.get_window_extent().overlaps(box)
    ]


def test_companions_leave_with_their_scale_and_words(still, drawn):
    made_from = provenance(section_files.companions_file(still, "png"))
    assert made_from["layers"] == [still.layer]
    assert (made_from["scale"], made_from["direction"]) == ("shared", "from")
    assert made_from["weights_sha256"] == still.gsa.card.sha256
    ((panels, figure),) = drawn
    rows = companions.rows(still)
    assert len(panels) == sum(map(len, rows.values())) == 10
    for panel, each in zip(panels, sum(rows.values(), []), strict=True):
        np.testing.assert_array_equal(panel.weights, each.panel.shown)
        assert (panel.limit, panel.zero) == (each.panel.limit, each.panel.zero)
    for words_ in ("Untrained network", "r = 1.00", companions.sentences(still, rows)):
        assert words_ in said(figure)
    assert not crowded(figure)


def test_attributions_leave_with_both_twins_and_the_class(twins, drawn):
    shown, found = twins
    data = section_files.attributions_file(shown, "bee", found, CHANCE, "Lower is better.", "png")
    made_from = provenance(data)
    assert made_from["target"] == "bee"
    assert (made_from["checkpoint"], made_from["twin"]) == ("tiny_gsa", "tiny_conv")
    assert made_from["twin_weights_sha256"] == shown.seen["conv"].card.sha256
    ((panels, figure),) = drawn
    assert len(panels) == 12
    wanted = [found[method, mixer] for mixer in TEXT["twins"] for method in TEXT["methods"]]
    for panel, each in zip(panels, wanted, strict=True):
        assert panel.weights is each.attribution.values
    for words_ in (
        "why bee?",
        "Lower is better.",
        "area 0.25",
        TEXT["beaten"].format(count=2, draws=2),
        TEXT["beaten"].format(count=2, draws=3),
        TEXT["not_beaten"].format(controls="edges"),  # the middle's area is larger
        *(f"sum {missed:+.0%}" for missed in shares_missed(found)),
        *TEXT["twins"].values(),
    ):
        assert words_ in said(figure)
    assert "attention attention" not in said(figure)
    assert not crowded(figure)


def test_attributions_that_were_stopped_leave_as_far_as_they_came(twins, drawn):
    shown, found = twins
    first = {key: each for key, each in found.items() if key == ("integrated_gradients", "gsa")}
    provenance(section_files.attributions_file(shown, "bee", first, CHANCE, "So far.", "png"))
    ((panels, figure),) = drawn
    assert len(panels) == 1
    assert TEXT["twins"]["conv"] not in said(figure)


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_text_files_are_whole_and_name_what_they_show(still, twins, kind):
    shown, found = twins
    files = {
        "Attention maps": section_files.companions_file(still, kind),
        TEXT["why_page"]: section_files.attributions_file(shown, "bee", found, CHANCE, "So.", kind),
    }
    for what, data in files.items():
        whole = data.decode()
        assert shown.gsa.card.sha256 in whole
        assert 'href="http' not in whole
        assert kind == "svg" or f"<h1>{what}: blobs.png" in whole


def test_companions_leave_as_numbers(still):
    archive = np.load(io.BytesIO(section_files.companions_file(still, "npz")))
    made_from = json.loads(str(archive["provenance"]))
    assert (made_from["layers"], made_from["direction"]) == ([still.layer], "from")
    assert tuple(archive["cells"]) == (4, 8, 8, 12)
    wanted = companions.rows(still)
    assert len(archive.files) == 2 + sum(map(len, wanted.values()))
    for branch, row in wanted.items():
        for each in row:
            np.testing.assert_array_equal(archive[f"{branch}_{each.id_}"], each.panel.shown)


def test_attributions_leave_as_numbers(twins):
    shown, found = twins
    data = section_files.attributions_file(shown, "bee", found, CHANCE, "So.", "npz")
    archive = np.load(io.BytesIO(data))
    assert json.loads(str(archive["provenance"]))["target"] == "bee"
    for (method, mixer), each in found.items():
        name = f"{method}_{mixer}"
        np.testing.assert_array_equal(archive[name], each.attribution.values)
        np.testing.assert_array_equal(archive[f"shares_{name}"], each.deletion.shares)
        np.testing.assert_array_equal(archive[f"probabilities_{name}"], each.deletion.probabilities)
        assert (f"delta_{name}" in archive) == (method == "integrated_gradients")
    assert archive["delta_integrated_gradients_conv"] == DELTAS["conv"]
    np.testing.assert_array_equal(archive["probabilities_chance_gsa"], CHANCE["gsa"].probabilities)
