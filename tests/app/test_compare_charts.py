"""Charts of the Compare page: every line is of what its name and its axis say."""

import itertools

import numpy as np
import pytest

from app import compare_resources
from app.views import compare_cost
from app.widgets import Widget
from gsa import erf, ranges
from gsa.checkpoints import load
from gsa.record import record
from gsa.scaling import Cost
from tests.app import compare_support
from tests.app.compare_support import TEXT, drawn, kept_fields, lines, section, start
from tests.conftest import noise

page = compare_support.page
UNITS = {"milliseconds": 1e-3, "MiB": 2**20, "billions": 1e9}  # as axes name them


@pytest.mark.parametrize("figure", compare_cost.UNITS)
def test_costs_are_drawn_in_the_unit_that_the_axis_names(page, monkeypatch, figure):
    known = [
        Cost(name, size, size**2, 1, 5 * size**3, size / 7e3, spread=0, peak_bytes=3 * size**4)
        for name, size in itertools.product(("conv", "gsa"), (32, 64))
    ]
    monkeypatch.setattr(compare_resources, "costs", lambda *_: iter([(1.0, known)]))
    section(page, "cost")
    page.button_group(Widget.compare_cost_figure).set_value(figure).run()
    start(page)
    (chart,) = drawn(page)
    axis = chart["layout"]["yaxis"]["title"]["text"]
    assert axis == TEXT["cost"]["axes"][figure]
    (unit,) = (size for name, size in UNITS.items() if name in axis)
    table = page.dataframe[0].value.set_index(TEXT["cost"]["table"]["name"])
    for name, line in lines(chart).items():
        of = [each for each in known if TEXT["cost"]["names"][each.name] == name]
        wanted = [getattr(each, figure) / unit for each in of]
        assert line["x"] == [each.size for each in of]
        assert line["y"] == pytest.approx(wanted)
        largest = table.loc[name, TEXT["cost"]["table"]["largest"].format(size=64)]
        assert float(largest.split()[0]) == pytest.approx(wanted[-1], rel=0.01)


def test_the_line_to_compare_with_is_of_pixels_and_cells_that_count_alike(page):
    start(page)
    depth, distance = (lines(chart) for chart in drawn(page))
    wanted = [
        erf.spread(np.ones((64, 64)), each.theoretical.centre).radius_90
        for each in kept_fields().of["gsa"]
    ]
    assert depth[TEXT["fields"]["even"]]["y"] == pytest.approx(wanted)
    recorded = record(load("tiny_gsa").model, noise())
    grids = [recorded.grid(layer) for layer in recorded.layers]
    even = distance[TEXT["fields"]["distance_lines"]["even"]]
    assert even["y"] == pytest.approx([ranges.mean_even_distance(grid) for grid in grids])
