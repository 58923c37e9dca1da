"""The maps of two places: which cells lie on which, and what is said of it."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from app import chart_files, leaving, panels, places, section_files
from app.selection import Selection
from app.text import words
from gsa import maps
from tests.app import test_leaving

TEXT = words("look")
HERE, THERE = (2, 5), (9, 3)  # cells of layer 2.1, which has 16 x 16
whole = test_leaving.view


def at(view, here, there, **fields):
    """The view with two points, in cells of layer 2.1, for places."""
    numbers = zip(("row", "column", "other_row", "other_column"), (*here, *there), strict=True)
    chosen = Selection(**{name: (cell + 0.5) / 16 for name, cell in numbers}, **fields)
    found = panels.all_layers(view.gsa.recording, chosen)
    return replace(view, chosen=chosen, found=found)


@pytest.fixture
def view(whole):
    assert whole.gsa.recording["2.1"].shape == (16, 16)
    return at(whole, HERE, THERE)


@pytest.mark.parametrize("direction", ["from", "to"])
@pytest.mark.parametrize("branch", ["content", "positional"])
def test_the_other_map_is_laid_over_cell_by_cell(whole, branch, direction):
    view = at(whole, HERE, THERE, heads="1", direction=direction)
    of = panels.map_of(view.chosen)
    maps_ = [of(view.gsa.recording["2.1"], branch, each.cells(view.found[0].grid))[1]
             for each in (view.chosen, view.chosen.other)]  # fmt: skip
    row = {each.id_: each.panel.shown for each in places.rows(view)[branch]}
    np.testing.assert_array_equal(row["own"], maps_[0])
    np.testing.assert_array_equal(row["other"], maps_[1])
    down, across = HERE[0] - THERE[0], HERE[1] - THERE[1]
    for (y, x), weight in np.ndenumerate(row["over"]):
        there = y - down, x - across
        if min(there) >= 0 and max(there) < 16:
            assert weight == maps_[1][there]
        else:
            assert np.isnan(weight)
    assert row["over"][HERE] == row["other"][THERE]


def test_a_layer_that_knows_offsets_alone_moves_along_and_one_that_reads_the_picture_stays(view):
    """With one query everywhere, the maps of two places differ by what their branch is."""
    recording = view.gsa.recording
    layers = {
        name: replace(layer, q=np.broadcast_to(layer.q[..., :1, :1], layer.q.shape))
        for name, layer in recording.layers.items()
    }
    seen = {"gsa": replace(view.gsa, recording=replace(recording, layers=layers))}
    found = places.alike(at(replace(view, seen=seen), HERE, THERE))
    assert [(each.layer, each.branch) for each in found] == [
        (name, branch) for name in layers for branch in maps.branches(layers[name])
    ]
    for each in found:
        if each.over is None:
            assert each.both < places.FEWEST
            assert each.layer == "4.1"
        elif each.branch == "content":
            assert each.lie == pytest.approx(1)
            assert each.over < 0.9
        else:
            assert each.over == pytest.approx(1)
            assert each.lie < 0.9


def test_how_alike_the_maps_are_is_said_under_them_and_in_the_chart(view):
    found = {(each.layer, each.branch): each for each in places.alike(view)}
    for branch, row in places.rows(view).items():
        notes = {each.id_: " ".join(each.notes) for each in row}
        expected = found["2.1", branch]
        assert "r = " not in notes["own"]
        assert f"r = {expected.lie:.2f}" in notes["other"]
        assert f"r = {expected.over:.2f} in {expected.both} of 256 cells" in notes["over"]
        assert (expected.both, expected.cells) == ((16 - 7) * (16 - 2), 256)


def test_too_few_common_cells_have_no_correlation(whole):
    """Of two cells any two maps agree fully, or not at all."""
    view = at(whole, (1, 1), (14, 14))
    found = {(each.layer, each.branch): each for each in places.alike(view)}
    assert {each.over is None for each in found.values()} == {True, False}
    for each in found.values():
        assert (each.over is None) == (each.both < places.FEWEST)
    (late,) = {each.layer for each in found.values() if each.both < places.FEWEST} - {"4.1"} or {
        "4.1"
    }
    for row in places.rows(replace(view, layer=late)).values():
        assert row[-1].notes[-1] == TEXT["few_cells"].format(fewest=places.FEWEST)


def test_two_places_in_one_cell_have_one_map_and_no_correlation(whole):
    view = at(whole, HERE, (HERE[0], HERE[1] + 0.2))
    assert all((each.lie, each.over) == (None, None) for each in places.alike(view))
    for row in places.rows(view).values():
        assert [each.notes[-1] for each in row[1:]] == [TEXT["same_cells"]] * 2
        for each in row[1:]:
            np.testing.assert_array_equal(each.panel.shown, row[0].panel.shown)


def test_rectangles_are_laid_over_by_their_middles(whole):
    edges = {"row": 0.25, "column": 0.25, "bottom": 0.5, "right": 0.5}
    other = {"other_row": 0.5, "other_column": 0.5, "other_bottom": 0.75, "other_right": 0.75}
    chosen = Selection(**edges, **other)
    found = panels.all_layers(whole.gsa.recording, chosen)
    for row in places.rows(replace(whole, chosen=chosen, found=found)).values():
        maps_ = {each.id_: each.panel.shown for each in row}
        np.testing.assert_array_equal(maps_["over"][:12, :12], maps_["other"][4:, 4:])
        assert np.isnan(maps_["over"][12:]).all()


@pytest.mark.parametrize("scale", ["shared", "own"])
def test_a_row_has_the_scale_that_is_chosen_and_distances_of_its_own_place(whole, scale):
    view = at(whole, HERE, THERE, companion_scale=scale)
    for row in places.rows(view).values():
        own, other, over = (each.panel for each in row)
        assert own.limit == own.peak
        assert other.limit == (own.peak if scale == "shared" else other.peak)
        assert over.limit == (own.peak if scale == "shared" else over.peak)
        assert over.measures == other.measures != own.measures
        assert over.cells == own.cells != other.cells


def test_exchanged_twice_it_is_as_before(view):
    other = view.chosen.other
    assert (other.row, other.column) == (view.chosen.other_row, view.chosen.other_column)
    assert other.other == view.chosen


def test_the_maps_leave_with_both_places(view):
    archive = np.load(io.BytesIO(section_files.places_file(view, "npz")))
    for branch, row in places.rows(view).items():
        for each in row:
            np.testing.assert_array_equal(archive[f"{branch}_{each.id_}"], each.panel.shown)
    assert archive["cells"].tolist() == [HERE[0], HERE[1], HERE[0] + 1, HERE[1] + 1]
    assert archive["other_cells"].tolist() == [THERE[0], THERE[1], THERE[0] + 1, THERE[1] + 1]
    made_from = json.loads(str(archive["provenance"]))
    assert made_from["other_place"] == [(cell + 0.5) * 4 for cell in THERE]
    assert made_from["other_region"] is None
    picture = Image.open(io.BytesIO(section_files.places_file(view, "png")))
    assert json.loads(picture.text["Description"]) == made_from
    svg = section_files.places_file(view, "svg").decode()
    assert leaving.place(view.chosen.other, view.gsa.recording) in svg


def test_the_correlations_leave_with_both_places(view):
    said = json.loads(chart_files.alike_file(view, places.alike(view)))
    assert said["rows"] == [asdict(each) for each in places.alike(view)]
    assert said["other_place"] == [(cell + 0.5) * 4 for cell in THERE]
    assert said["layers"] == list(view.gsa.recording.layers)
