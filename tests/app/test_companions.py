"""A map beside its companions: at what scale, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from app import companions, experiments
from app.drawing import drawn
from app.figures import raster, theme
from gsa import figures
from gsa.figures import UNKNOWN
from tests.app import test_leaving

view = test_leaving.view


@pytest.fixture
def bright(view, monkeypatch):
    """The view, while the untrained network's weights are a hundred times those of the map."""

    def companion(seen, kind, pixels=(0, 0), seed=0):
        if kind != "untrained":
            return seen.recording
        layer = seen.recording[view.layer]
        louder = replace(layer, q=layer.q * 100)
        return replace(seen.recording, layers={**seen.recording.layers, view.layer: louder})

    monkeypatch.setattr(experiments, "companion", companion)
    return view


def colours(panel):
    return raster.coloured(panel.shown, panel.limit, signed=panel.signed, see_through=False)


def test_a_bright_companion_leaves_the_row_as_legible_as_it_was(bright):
    row = {each.id_: each for each in companions.rows(bright)["content"]}
    own, untrained = row["trained"].panel, row["untrained"].panel
    assert untrained.peak == pytest.approx(100 * own.peak)
    assert own.limit == own.peak  # not that of the bright one
    assert {each.panel.limit for each in row.values()} == {own.limit}
    assert np.ptp(colours(own)[..., :3].astype(int), axis=(0, 1)).max() > 100


def test_a_row_has_one_set_of_colours_whatever_signs_its_maps_have(view, monkeypatch):
    seen, layer = view.gsa, view.gsa.recording[view.layer]

    def with_queries(q):
        layers = {**seen.recording.layers, view.layer: replace(layer, q=q)}
        return replace(seen.recording, layers=layers)

    positive = with_queries(np.abs(layer.q))  # all content weights above zero
    negative = with_queries(-np.abs(layer.q))
    monkeypatch.setattr(
        experiments,
        "companion",
        lambda _, kind, *__, **___: negative if kind == "untrained" else positive,
    )
    for scale in ("own", "shared"):
        chosen = replace(view.chosen, companion_scale=scale)
        beside = replace(view, seen={"gsa": replace(seen, recording=positive)}, chosen=chosen)
        row = companions.rows(beside)["content"]
        assert {each.panel.signed for each in row} == {True}


def test_a_weak_companion_has_its_peak_said_once(bright):
    chosen = replace(bright.chosen, companion_scale="shared")
    row = companions.rows(replace(bright, chosen=chosen))["content"]
    weak = replace(row[0].panel, limit=100 * row[0].panel.peak)
    notes = drawn(weak, chosen, id_="weak", title="", extra=row[0].notes)["notes"]
    assert sum(note.startswith("peak ") for note in notes) == 1
    assert drawn(weak, chosen, id_="weak", title="")["notes"][-1].startswith("peak ")


def test_what_is_beyond_the_shared_scale_is_counted(bright):
    row = {each.id_: each for each in companions.rows(bright)["content"]}
    panel = row["untrained"].panel
    count = (np.abs(panel.shown) > panel.limit).sum()
    assert count > 80
    assert f"{count} of 256 cells beyond" in row["untrained"].notes
    assert not any("beyond" in note for note in row["trained"].notes)


def test_with_scales_of_their_own_nothing_is_beyond(bright):
    chosen = replace(bright.chosen, companion_scale="own")
    for row in companions.rows(replace(bright, chosen=chosen)).values():
        assert all(each.panel.limit == each.panel.peak for each in row)
        assert not any("beyond" in note for each in row for note in each.notes)


def test_the_same_picture_agrees_with_itself(bright):
    row = {each.id_: each for each in companions.rows(bright)["content"]}
    assert "r = 1.00 (1.00 to 1.00)" in row["shuffled"].notes  # here the very recording


def test_a_picture_without_edges_has_no_agreement_with_them(view, monkeypatch):
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    plain = replace(view.gsa, crop=Image.new("RGB", view.gsa.crop.size, "grey"))
    shown = replace(view, seen={"gsa": plain})
    said = companions.sentences(shown, companions.rows(shown))
    assert "edges of the picture: r does not exist." in said
    assert "nan" not in said


def test_an_edge_lies_in_the_rows_of_cells_that_it_has_in_the_picture(view):
    shape = view.gsa.recording[view.layer].shape
    step = np.zeros(view.gsa.crop.size[::-1], np.uint8)
    tall = len(step) // shape[0]
    step[6 * tall :] = 255  # black above, white below
    crop = Image.fromarray(step).convert("RGB")
    edges = companions._edges(replace(view, seen={"gsa": replace(view.gsa, crop=crop)}))
    assert edges.shape == shape
    assert set(np.nonzero(edges)[0]) == {5, 6}
    assert (edges == edges[:, :1]).all()


def test_distances_are_of_the_weights_whatever_is_shown(view, monkeypatch):
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    beside = replace(view, chosen=replace(view.chosen, value="deviation"))
    plain, deviations = (companions.rows(each) for each in (view, beside))
    for branch, row in plain.items():
        for one, other in zip(row, deviations[branch], strict=True):
            assert other.panel.signed
            assert other.panel.measures == one.panel.measures


@pytest.mark.parametrize("value", ["absolute", "contribution"])
def test_sizes_are_compared_with_sizes(view, monkeypatch, value):
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    beside = replace(view, chosen=replace(view.chosen, value=value, heads="0"))
    for row in companions.rows(beside).values():
        same = {each.id_: each for each in row}["untrained"]  # here the very recording
        np.testing.assert_array_equal(same.panel.shown, np.abs(same.panel.shown))
        assert any(note.startswith("r = 1.00") for note in same.notes)


def test_cells_that_left_the_picture_are_grey_and_not_zero(view, monkeypatch):
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    assert theme.UNKNOWN == UNKNOWN  # as the app draws them, and files
    grey = (*ImageColor.getrgb(UNKNOWN), 255)
    for row in companions.rows(view).values():
        by_kind = {each.id_: each for each in row}
        moved = by_kind["moved"]
        left = np.isnan(moved.panel.shown)
        assert 0 < left.sum() < left.size
        for see_through in (False, True):
            rgba = raster.coloured(
                moved.panel.shown, moved.panel.limit, signed=False, see_through=see_through
            )
            assert (rgba[left] == grey).all()
            assert not (rgba[~left] == grey).all(axis=1).any()
        for kind in ("mirrored", "moved"):
            there = np.isfinite(by_kind[kind].panel.shown).sum()
            said = f" in {there} of {left.size} cells"
            assert any(said in note for note in by_kind[kind].notes)
        (agreement,) = (note for note in by_kind["untrained"].notes if note.startswith("r = "))
        assert " cells" not in agreement
        drawn_ = figures.strip(view.gsa.crop, [_file_panel(moved.panel)])
        image = next(axis.images[0] for axis in drawn_.axes[1:] if axis.images)
        assert (np.ma.getmaskarray(image.get_array()) == left).all()
        assert (image.to_rgba(image.get_array(), bytes=True)[left] == grey).all()
        assert np.isfinite(moved.panel.measures.mean_distance)


def _file_panel(panel):
    return figures.Panel(panel.layer, panel.branch, panel.shown, panel.cells, panel.measures)


def test_networks_that_learned_nothing_are_drawn_several_times(view, monkeypatch):
    asked = []

    def companion(seen, kind, pixels=(0, 0), seed=0):
        asked.append((kind, seed))
        return seen.recording

    monkeypatch.setattr(experiments, "companion", companion)
    companions.rows(view)
    for kind in companions.AT_RANDOM:
        seeds = {seed for each, seed in asked if each == kind}
        assert seeds == set(range(companions.DRAWS))
    assert {seed for kind, seed in asked if kind not in companions.AT_RANDOM} == {0}


def test_the_agreement_with_several_draws_is_their_mean_and_range():
    first = np.array([[1.0, 2.0, 3.0]])
    assert companions.agreement(first, first, -first) == "r = 0.00 (-1.00 to 1.00)"
    assert companions.agreement(first, first) == "r = 1.00"
