import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.figures import charts, compare, raster, theme

MAP = np.array([[-2.0, 0.0], [1.0, 4.0]])


def test_a_signed_scale_is_centred_on_zero():
    rgba = raster.coloured(MAP, 4.0, signed=True, see_through=False)
    assert rgba.shape == (2, 2, 4)
    red, _, blue = rgba[1, 1, :3].astype(int)
    assert red > blue + 50  # orange above zero
    red, _, blue = rgba[0, 0, :3].astype(int)
    assert blue > red + 20  # purple below zero
    assert rgba[0, 1, :3].min() > 240  # nearly white at zero
    assert (rgba[..., 3] == 255).all()


@pytest.mark.parametrize("signed", [False, True])
def test_the_same_limit_gives_the_same_colour_in_another_map(signed):
    first = raster.coloured(MAP, 8.0, signed=signed, see_through=False)
    weaker = np.array([[0.5, 1.0, -2.0]])  # with a peak of its own
    second = raster.coloured(weaker, 8.0, signed=signed, see_through=False)
    np.testing.assert_array_equal(second[0, 1], first[1, 0])
    np.testing.assert_array_equal(second[0, 2], first[0, 0])
    other = raster.coloured(weaker, 4.0, signed=signed, see_through=False)
    assert (other[0, 1] != second[0, 1]).any()


def test_a_map_over_a_picture_is_as_opaque_as_it_is_strong():
    rgba = raster.coloured(MAP, 4.0, signed=True, see_through=True)
    assert rgba[0, 1, 3] == 0
    assert rgba[1, 1, 3] > rgba[0, 0, 3] > rgba[1, 0, 3] > 0
    assert (rgba[1, 0, :3] == rgba[1, 1, :3]).all()  # the colour tells the sign alone


def test_an_unsigned_scale_shows_sizes():
    one = raster.coloured(MAP, 4.0, signed=False, see_through=False)
    other = raster.coloured(np.abs(MAP), 4.0, signed=False, see_through=False)
    np.testing.assert_array_equal(one, other)


def test_weights_beyond_the_limit_get_its_colour():
    one = raster.coloured(MAP * 10, 4.0, signed=True, see_through=False)
    assert (one[1, 0] == one[1, 1]).all()


def test_a_png_holds_one_pixel_a_cell():
    rgba = raster.coloured(MAP, 4.0, signed=True, see_through=True)
    head, data = raster.png_url(rgba).split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), rgba)


def test_the_range_chart_has_a_line_for_each_branch():
    lines = {"content": [1.0, 2.0], "positional": [3.0, 4.0]}
    bands = {
        "content": [{"p10": 0.0, "p90": 1.0}, {"p10": 1.0, "p90": 2.0}],
        "positional": [{"p10": 2.0, "p90": 5.0}, {"p10": 3.0, "p90": 6.0}],
    }
    axes = "pixels", "layer"
    made = charts.ranges(["1.1", "2.1"], lines, bands, ("alike", [2.5, 2.5]), *axes).to_json()
    figure = json.loads(made)
    drawn = [trace for trace in figure["data"] if trace.get("name")]
    assert [trace["name"] for trace in drawn] == ["content", "positional", "alike"]
    assert drawn[1]["y"] == [3.0, 4.0]
    assert (drawn[2]["y"], drawn[2]["line"]["dash"]) == ([2.5, 2.5], "dot")
    band = figure["data"][2]
    assert band["y"] == [5.0, 6.0, 3.0, 2.0]  # the upper edge, and the lower one back
    assert figure["layout"]["yaxis"]["title"]["text"] == "pixels"
    again = charts.ranges(["1.1", "2.1"], lines, bands, ("alike", [2.5, 2.5]), *axes).to_json()
    assert json.loads(again) == figure


def test_the_deletion_chart_names_each_method_once():
    curve = ([0.0, 1.0], [0.9, 0.1])
    curves = {(method, mixer): curve for method in ("one", "other") for mixer in ("gsa", "conv")}
    drawn = charts.deletion(curves, "share", "probability").data
    assert [trace.name for trace in drawn if trace.showlegend] == ["one", "other"]
    assert [trace.line.dash for trace in drawn] == ["solid", "dot", "solid", "dot"]
    assert drawn[0].line.color == drawn[1].line.color != drawn[2].line.color


@pytest.mark.parametrize("see_through", [False, True])
def test_nothing_but_zeros_can_be_drawn(see_through):
    rgba = raster.coloured(np.zeros((3, 3)), 1.0, signed=True, see_through=see_through)
    assert (rgba == rgba[0, 0]).all()


APP = Path(__file__).parents[2] / "app"


def test_colours_are_written_in_the_theme_alone():
    hexes = re.compile(r"#[0-9a-f]{6}\b|rgba\(")
    for path in APP.rglob("*.py"):
        assert path.name == "theme.py" or not hexes.search(path.read_text(encoding="utf-8")), path
    bars = (APP / "style.css").read_text(encoding="utf-8")
    assert f"background: {theme.CONTENT};" in bars  # of the predictions, as in the charts
    assert f"background: {theme.CONV};" in bars


def test_all_figures_have_one_layout():
    figures = [
        charts.depth({"a": {"1.1": 0.5}, "b": {"1.1": 0.2}}, "share", "layer"),
        compare.over_depth(["1.1"], {"a": ("gsa", [3.0], False)}, "pixels", "layer"),
    ]
    for figure in figures:
        layout = figure.layout
        assert layout.yaxis.rangemode == "tozero"
        assert layout.font.color == theme.QUIET
        assert layout.legend.orientation == "h"
    assert figures[0].layout.margin == figures[1].layout.margin
