"""The receptive fields of the chosen place: both twins, on the page and in files."""

import base64
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import Circle

from app import chart_files, fields, section_files
from app.text import words
from gsa import erf
from gsa.checkpoints import load
from tests.app import test_leaving, test_section_files
from tests.app.compare_support import drawn as charts_of
from tests.app.compare_support import lines
from tests.app.test_pages import opened, texts

TEXT = words("look")
view, drawn = test_leaving.view, test_section_files.drawn
MIDDLE = (24.0, 40.0)  # of the rectangle of `view`, in pixels


@pytest.fixture
def both(view, checkpoint_folder):
    conv = replace(view.gsa, key="conv", network=load("tiny_conv", checkpoint_folder))
    return replace(view, seen={"gsa": view.gsa, "conv": conv})


@pytest.fixture
def wanted(both):
    """By mixer and layer, straight from the networks."""
    found = {}
    for mixer, seen in both.seen.items():
        x = seen.card.preprocess.tensor(seen.crop)
        for field in erf.fields(seen.network.model, x, MIDDLE):
            found[mixer, field.layer] = field
    return found


def test_they_are_those_of_each_twin_at_the_place(both, wanted):
    found = fields.of(both)
    for mixer, of in found.items():
        assert [field.layer for field in of] == list(both.gsa.recording.layers)
        for field in of:
            np.testing.assert_array_equal(field.map, wanted[mixer, field.layer].map)
            assert field.pictures == 1


def test_pictures_stand_in_rows_with_their_radii_and_the_units_centre(both, wanted):
    rows = fields.strip_rows(both, fields.of(both))
    assert [row["title"] for row in rows] == list(TEXT["twins"].values())
    for mixer, row in zip(TEXT["twins"], rows, strict=True):
        for panel in row["panels"]:
            field = wanted[mixer, panel["title"]]
            assert panel["notes"] == [
                f"50 %: {field.spread.radius_50:.0f} px", f"90 %: {field.spread.radius_90:.0f} px",
            ]  # fmt: skip
            assert all(note in panel["alt"] for note in panel["notes"])
            assert panel["chosen"] == (panel["title"] == both.layer)
            left, top, width, height = panel["cell"]
            centre = field.theoretical.centre
            assert top + height / 2 == pytest.approx(centre[0] / 64, abs=1 / 64)
            assert left + width / 2 == pytest.approx(centre[1] / 64, abs=1 / 64)
            svg = base64.b64decode(panel["url"].split("base64,")[1]).decode()
            assert svg.count("<circle") == 2
            assert f"cx='{centre[1]:g}' cy='{centre[0]:g}'" in svg


def test_at_the_edge_the_centre_stays_in_the_picture(both):
    corner = replace(both, chosen=replace(both.chosen, row=0.0, column=1.0, bottom=0.0, right=0.0))
    for of in fields.of(corner).values():
        for field in of:
            cell = fields.cell(field)
            assert 0 <= cell.top < cell.bottom <= 64
            assert 0 <= cell.left < cell.right <= 64


def test_a_field_without_gradient_says_so(wanted):
    field = wanted["gsa", "1.1"]
    nothing = erf.spread(np.zeros_like(field.map), field.theoretical.centre)
    none = replace(field, map=np.zeros_like(field.map), spread=nothing)
    assert fields.notes(none) == [TEXT["field_nothing"]]
    svg = base64.b64decode(fields.drawn(none).split("base64,")[1]).decode()
    assert "<circle" not in svg


def test_they_leave_as_pictures_and_numbers(both, wanted, drawn):
    found = fields.of(both)
    made_from = test_section_files.provenance(
        section_files.fields_file(both, found, "As they are.", "png")
    )
    assert (made_from["checkpoint"], made_from["twin"]) == ("tiny_gsa", "tiny_conv")
    assert tuple(made_from["place"]) == MIDDLE
    ((panels, figure),) = drawn
    assert len(panels) == len(wanted)
    said = test_section_files.said(figure)
    for words_ in ("As they are.", "blobs.png", *TEXT["twins"].values(), "90 %"):
        assert words_ in said
    assert "mean distance" not in said
    assert not test_section_files.crowded(figure)
    circles = [each for axis in figure.axes for each in axis.patches if isinstance(each, Circle)]
    spreads = [field.spread for of in found.values() for field in of]
    radii = [radius for each in spreads for radius in (each.radius_50, each.radius_90)]
    assert [each.radius for each in circles] == radii
    assert b"<h1>Receptive fields: blobs.png" in section_files.fields_file(both, found, "", "html")
    archive = np.load(io.BytesIO(section_files.fields_file(both, found, "", "npz")))
    numbers = json.loads(chart_files.fields_file(both, found))
    assert numbers["twin"] == "tiny_conv"
    for (mixer, layer), field in wanted.items():
        np.testing.assert_array_equal(archive[f"{mixer}_{layer}"], field.map)
        (row,) = (each for each in numbers["fields"][mixer] if each["layer"] == layer)
        assert row == json.loads(json.dumps(field.to_dict()))


def test_the_page_draws_how_far_the_pixels_lie(tiny_checkpoints):
    app = opened("range", row="0.25", column="0.75")
    one, all_ = charts_of(app)
    found = lines(all_)
    assert list(found) == [*TEXT["twins"].values(), TEXT["fields_even"]]
    radii = {name: each["y"] for name, each in found.items()}
    assert all(math.isfinite(radius) for each in radii.values() for radius in each)
    # a unit of the first layer of the convolution twin sees 19 pixels
    assert radii[TEXT["twins"]["conv"]][0] < 14 < radii[TEXT["fields_even"]][0]
    assert erf.UNIT in texts(app)
    labels = [each.label for each in app.get("download_button")]
    assert labels == ["PNG", "SVG", "HTML", "NPZ", TEXT["as_numbers"], TEXT["as_numbers"]]
