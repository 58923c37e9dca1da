import base64
import io
import json
import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from app.figures import charts, compare, raster, theme
from gsa import figures as core

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


def test_by_the_root_a_quarter_of_the_peak_has_the_colour_of_a_half():
    values = np.array([[0.0, 1.0, 2.0, 4.0]])
    plain, root = (
        raster.coloured(values, 4.0, signed=False, see_through=False, root=root)
        for root in (False, True)
    )
    np.testing.assert_array_equal(root[0, 1], plain[0, 2])
    np.testing.assert_array_equal(root[0, [0, 3]], plain[0, [0, 3]])
    over = raster.coloured(values, 4.0, signed=False, see_through=True, root=True)
    assert over[0, :, 3].tolist() == [0, 128, 180, 255]


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
    axes = "{branch}, most", "pixels", "layer"
    made = charts.ranges(["1.1", "2.1"], lines, bands, ("alike", [2.5, 2.5]), *axes).to_json()
    figure = json.loads(made)
    bands_ = [trace for trace in figure["data"] if trace.get("fill")]
    assert [trace["name"] for trace in bands_] == ["content, most", "positional, most"]
    drawn = [trace for trace in figure["data"] if not trace.get("fill")]
    assert [trace["name"] for trace in drawn] == ["content", "positional", "alike"]
    assert drawn[1]["y"] == [3.0, 4.0]
    assert (drawn[2]["y"], drawn[2]["line"]["dash"]) == ([2.5, 2.5], "dot")
    band = figure["data"][2]
    assert band["y"] == [5.0, 6.0, 3.0, 2.0]  # the upper edge, and the lower one back
    assert figure["layout"]["yaxis"]["title"]["text"] == "pixels"
    again = charts.ranges(["1.1", "2.1"], lines, bands, ("alike", [2.5, 2.5]), *axes).to_json()
    assert json.loads(again) == figure


def test_shares_that_pass_have_the_two_ends_of_their_interval():
    shares = {
        "one": ("#112233", {"a": (0.5, 0.25, 0.625), "b": (0.0, 0.0, 0.125)}),
        "two": ("#445566", {"a": (1.0, 0.75, 1.0), "b": (0.25, 0.125, 0.5)}),
    }
    figure = charts.passed(shares, "methods", "share")
    for trace, (name, (colour, methods)) in zip(figure.data, shares.items(), strict=True):
        assert (trace.name, trace.marker.color, trace.offsetgroup) == (name, colour, name)
        assert dict(zip(trace.x, trace.y, strict=True)) == {
            method: share for method, (share, _, _) in methods.items()
        }
        bars = zip(trace.y, trace.error_y.arrayminus, trace.error_y.array, strict=True)
        assert [(y - down, y + up) for y, down, up in bars] == [
            (low, high) for _, low, high in methods.values()
        ]
    said = theme.in_words(figure, "Passed")
    assert "one: a: 0.5, b: 0" in said


def test_the_deletion_chart_draws_controls_in_grey():
    curve = ([0.0, 1.0], [0.9, 0.1])
    curves = dict.fromkeys(("one", "edges", "other", "chance"), curve)
    figure = charts.deletion(curves, ["chance", "edges"], 0.5, "share", "probability")
    assert [trace.name for trace in figure.data] == list(curves)
    looks = {
        trace.name: (trace.line.color, trace.line.dash, trace.marker.symbol)
        for trace in figure.data
    }
    assert len(set(looks.values())) == 4
    assert [looks[name][:2] for name in ("chance", "edges")] == [
        (theme.QUIET, "solid"),
        (theme.QUIET, "dot"),
    ]
    assert {looks[name][1] for name in ("one", "other")} == {"solid"}
    assert figure.layout.yaxis.range == (0, 1.15 * 0.5)  # of all charts beside it


# simulations of dichromats: Machado, Oliveira and Fernandes 2009, severity 1, linear RGB
_SEEN_BY = {
    "all": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def linear(colour):
    share = np.array(ImageColor.getrgb(colour)[:3]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = xyz @ np.ones(3)
    f = np.cbrt(np.clip(xyz @ rgb, 0, None) / white)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", _SEEN_BY)
def test_networks_and_branches_can_be_told_apart_by_all_eyes(eyes):
    seen = {
        name: lab(np.clip(_SEEN_BY[eyes] @ linear(colour), 0, 1))
        for name, colour in (("gsa", theme.CONTENT), ("conv", theme.CONV), ("quiet", theme.QUIET))
    }
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 25, (one, other)


def test_words_of_charts_can_be_read_on_both_pages():
    config = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    of = np.array([0.2126, 0.7152, 0.0722])
    for page in ("light", "dark"):
        ground = of @ linear(config["theme"][page]["backgroundColor"]) + 0.05
        letters = of @ linear(theme.QUIET) + 0.05
        assert max(ground, letters) / min(ground, letters) > 4.2


def test_a_chart_is_told_in_words():
    figure = charts.depth(
        {"GSA": {"1.1": 0.5, "2.1": 0.25}, "conv": {"1.1": 0.2}}, "share", "layer"
    )
    said = theme.in_words(figure, "What changes")
    assert said == "What changes. GSA: 1.1: 0.5, 2.1: 0.25. conv: 1.1: 0.2"


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


def test_figures_of_the_core_have_the_colours_of_the_app():
    assert theme.SIGNED == core.SIGNED
    assert theme.UNSIGNED.lower() == core.UNSIGNED
    assert theme.UNKNOWN == core.UNKNOWN
