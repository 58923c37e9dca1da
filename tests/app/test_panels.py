from dataclasses import replace

import numpy as np
import pytest

from app import panels
from app.one_weight import content_weight, positional_weight
from app.selection import Selection
from gsa import contributions, maps, ranges
from gsa.cells import Cells
from gsa.ranges import measure

PLACE = Selection(row=0.4, column=0.7)


def test_there_is_a_panel_for_each_layer_and_branch(recording):
    found = panels.all_layers(recording, PLACE)
    assert [(panel.layer, panel.branch) for panel in found] == [
        (layer, branch)
        for layer in ("1.1", "2.1", "3.1", "4.1")
        for branch in ("content", "positional")
    ]


def test_a_panel_shows_the_mean_over_heads_of_the_snapped_cell(recording):
    panel = panels.all_layers(recording, PLACE)[0]
    assert (panel.cells.top, panel.cells.left) == (6, 16)  # of 16 x 24 cells
    expected = maps.content_map(recording["1.1"], Cells.at(6, 16)).mean(axis=0)
    np.testing.assert_array_equal(panel.shown, expected)
    assert panel.limit == np.abs(expected).max()
    assert panel.box == pytest.approx([16 / 24, 6 / 16, 1 / 24, 1 / 16])


def test_heads_are_combined_as_chosen(recording):
    weights = maps.content_map(recording["1.1"], Cells.at(0, 0))
    for heads, expected in (
        ("absolute", np.abs(weights).mean(axis=0)),
        ("max", np.abs(weights).max(axis=0)),
        ("2", weights[2]),
        ("99", weights.mean(axis=0)),
    ):
        np.testing.assert_array_equal(panels.combine(weights, heads), expected)


def test_the_other_direction_shows_who_reads_the_place(recording):
    panel = panels.all_layers(recording, Selection(0.4, 0.7, direction="to"))[3]
    expected = maps.reverse_positional_map(recording["2.1"], panel.cells).mean(axis=0)
    np.testing.assert_array_equal(panel.shown, expected)


def test_scales_are_shared_as_chosen(recording):
    own = panels.all_layers(recording, PLACE)
    layer = panels.all_layers(recording, Selection(0.4, 0.7, scale="layer"))
    every = panels.all_layers(recording, Selection(0.4, 0.7, scale="all"))
    assert [panel.limit for panel in layer] == [
        max(one.limit for one in own if one.layer == panel.layer) for panel in layer
    ]
    assert {panel.limit for panel in every} == {max(panel.limit for panel in own)}


@pytest.mark.parametrize("heads", ["2", "mean"])
def test_sizes_have_no_sign_and_keep_the_ranges(recording, heads):
    plain = panels.all_layers(recording, replace(PLACE, heads=heads))
    sizes = panels.all_layers(recording, replace(PLACE, heads=heads, value="absolute"))
    assert any(panel.signed for panel in plain)
    for one, other in zip(plain, sizes, strict=True):
        np.testing.assert_array_equal(other.shown, np.abs(one.shown))
        assert not other.signed
        assert (other.limit, other.measures) == (one.limit, one.measures)


def test_deviations_have_no_mean_and_keep_the_ranges(recording):
    plain = panels.all_layers(recording, PLACE)
    for one, other in zip(
        plain, panels.all_layers(recording, Selection(0.4, 0.7, value="deviation")), strict=True
    ):
        assert other.shown.mean() == pytest.approx(0, abs=1e-9 * one.limit)
        assert other.measures == one.measures
        assert other.signed


@pytest.mark.parametrize("direction", ["from", "to"])
def test_contributions_take_the_place_of_weights(recording, direction):
    chosen = replace(PLACE, value="contribution", direction=direction, heads="1")
    reverse = contributions.reverse_contribution_map
    of = contributions.contribution_map if direction == "from" else reverse
    for panel in panels.all_layers(recording, chosen):
        expected = of(recording[panel.layer], panel.branch, panel.cells)[1]
        np.testing.assert_array_equal(panel.shown, expected)
        assert not panel.signed
        assert panel.root
        assert panel.measures == measure(expected, panel.cells, panel.grid)
    sums = [panel for panel in panels.one_layer(recording, "2.1", chosen) if panel.branch == "sum"]
    every = of(recording["2.1"], "sum", sums[0].cells)
    assert all((panel.shown == every[int(panel.heads)]).all() for panel in sums)


def test_of_a_positional_branch_it_is_said_how_much_is_constant(recording):
    for panel in panels.all_layers(recording, PLACE):
        layer, expected = recording[panel.layer], 0.0
        if panel.branch == "positional":
            expected = contributions.constant_share(layer, panel.cells)
            assert 0 < expected < 1
        assert panel.constant == expected


def test_key_maps_times_the_query_are_the_content_map(recording, monkeypatch):
    monkeypatch.setattr(panels, "KEYS", 1000)
    found = panels.keys(recording, "3.1", 2, PLACE)
    layer = recording["3.1"]
    assert sorted(d for d, _, _ in found) == list(range(layer.q.shape[1]))
    total = sum(q * panel.shown for _, q, panel in found)
    np.testing.assert_allclose(total, maps.content_map(layer, found[0][2].cells)[2], rtol=1e-9)
    say = [abs(q) * panel.peak for _, q, panel in found]
    assert say == sorted(say, reverse=True)
    assert all(panel.shown.sum() == pytest.approx(1) for _, _, panel in found)


@pytest.mark.parametrize(
    ("chosen", "signed"),
    [
        ({}, True),
        ({"heads": "1"}, True),
        ({"heads": "absolute"}, False),
        ({"heads": "max"}, False),
        ({"heads": "max", "value": "deviation"}, True),
        ({"value": "absolute"}, False),
        ({"value": "contribution"}, False),
    ],
)
def test_what_is_shown_says_whether_there_is_a_sign_and_not_the_map_at_hand(
    recording, chosen, signed
):
    """Else one weight below zero, or the next place, would turn what a colour means."""
    layer = recording["1.1"]
    positive = replace(layer, q=np.abs(layer.q))  # all content weights above zero
    for record in (layer, positive):
        seen = replace(recording, layers={**recording.layers, "1.1": record})
        found = panels.all_layers(seen, replace(PLACE, **chosen))
        assert {panel.signed for panel in found} == {signed}
        assert signed or all((panel.shown >= 0).all() for panel in found)
    assert not any(panel.signed for *_, panel in panels.keys(recording, "1.1", 0, PLACE))


def test_heads_of_a_layer_stand_in_one_order_by_distance(recording):
    found = panels.one_layer(recording, "2.1", PLACE)
    reach = ranges.mean_distances(recording["2.1"], "content", recording.grid("2.1"))
    order = [int(panel.heads) for panel in found if panel.branch == "content"]
    assert [reach[head] for head in order] == sorted(reach)
    elsewhere = panels.one_layer(recording, "2.1", Selection(0.1, 0.9, direction="to"))
    assert [panel.heads for panel in elsewhere] == [panel.heads for panel in found]
    orders = [
        [panel.heads for panel in found if panel.branch == branch]
        for branch in ("content", "positional", "sum")
    ]
    assert orders[0] == orders[1] == orders[2] != sorted(orders[0])
    assert sorted(orders[0]) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("direction", ["from", "to"])
def test_the_sum_of_a_head_is_content_and_positional_with_the_mean_gain(recording, direction):
    found = panels.one_layer(recording, "2.1", Selection(0.4, 0.7, direction=direction))
    gain = recording["2.1"].gain.mean(axis=1)
    maps_of = {(panel.branch, int(panel.heads)): panel.shown for panel in found}
    for head in range(4):
        both = maps_of["content", head] + gain[head] * maps_of["positional", head]
        np.testing.assert_allclose(maps_of["sum", head], both)


def test_a_rectangle_is_the_mean_of_its_places(recording):
    region = Selection(4 / 16, 6 / 24, bottom=6 / 16, right=9 / 24)
    panel = panels.all_layers(recording, region)[1]
    assert panel.cells == Cells(4, 6, 6, 9)
    single = [
        maps.positional_map(recording["1.1"], Cells.at(row, column)).mean(axis=0)
        for row in (4, 5)
        for column in (6, 7, 8)
    ]
    np.testing.assert_allclose(panel.shown, np.mean(single, axis=0))


def test_one_weight_is_the_one_on_the_map(recording):
    layer, query, source = recording["2.1"], (3, 5), (9, 2)
    for head in range(4):
        content = content_weight(layer, head, query, source)
        assert content.weight == pytest.approx(float(content.q @ content.rho))
        assert content.weight == pytest.approx(
            maps.content_map(layer, Cells.at(*query))[head, 9, 2]
        )
        positional = positional_weight(layer, head, query, source)
        assert positional.via == (3, 2)
        assert positional.weight == pytest.approx(positional.row.value * positional.column.value)
        assert (positional.row.offset, positional.column.offset) == (-3, 6)
        np.testing.assert_array_equal(positional.row.q, layer.q[head, :, 3, 5])
        np.testing.assert_array_equal(positional.column.q, layer.q[head, :, 3, 2])
        assert positional.weight == pytest.approx(
            maps.positional_map(layer, Cells.at(*query))[head, 9, 2]
        )


def test_figures_over_all_places_hold_those_of_one(recording):
    spread = panels.everywhere(recording, "4.1", "content", Selection())
    grid = recording.grid("4.1")
    reach = [
        panels.shown(
            recording, "4.1", "content", Selection((a + 0.5) / grid.rows, (b + 0.5) / grid.columns),
            "mean",
        ).measures.mean_distance
        for a in range(grid.rows)
        for b in range(grid.columns)
    ]  # fmt: skip
    assert spread["mean_distance"]["median"] == pytest.approx(np.median(reach))


@pytest.fixture
def weak_layer(monkeypatch):
    """A layer whose maps are next to nothing beside those of the others."""
    whole = maps.branch_map
    monkeypatch.setattr(
        maps,
        "branch_map",
        lambda layer, *rest: whole(layer, *rest) * (1e-12 if layer.name == "3.1" else 1),
    )
    return "3.1"


def test_a_map_far_weaker_than_the_others_is_called_zero(recording, weak_layer):
    zero = {panel.layer for panel in panels.all_layers(recording, PLACE) if panel.zero}
    assert zero == {weak_layer}


@pytest.mark.parametrize("direction", ["from", "to"])
def test_every_map_at_the_place_is_proved(recording, direction, monkeypatch):
    chosen = replace(PLACE, direction=direction)
    worst, count = panels.proof(recording, chosen)
    assert count == 8
    assert worst.max_rel_error < 1e-10
    name = {"from": "branch_map", "to": "reverse_map"}[direction]  # what is shown is what is proved
    whole = getattr(maps, name)
    monkeypatch.setattr(maps, name, lambda *about: 1.01 * whole(*about))
    assert panels.proof(recording, chosen)[0].max_rel_error > 1e-3


def test_the_picker_snaps_to_the_finest_grid(recording):
    assert (panels.finest_grid(recording).rows, panels.finest_grid(recording).columns) == (16, 24)


def test_what_is_zero_among_the_layers_is_zero_on_its_own(recording, weak_layer):
    weak = panels.shown(recording, weak_layer, "content", PLACE, "mean")
    assert weak.zero
    assert weak.limit == weak.peak > 0
    assert not panels.shown(recording, "2.1", "content", PLACE, "mean").zero
    assert panels.with_map(weak, 2 * weak.shown, "weight").zero
    assert not panels.with_map(weak, 1e12 * weak.shown, "weight").zero
