"""Receptive fields of both twins, theoretical and effective, and how far one layer looks."""

from __future__ import annotations

import math

import streamlit as st

from app import compare_resources, gallery, markup, state
from app.compare_files import Measurement
from app.compare_resources import MIXERS, Fields, Pair
from app.fields import drawn
from app.figures import compare as figures
from app.figures import fields as pictures
from app.text import words
from app.views.compare_run import measured
from app.widgets import Widget
from gsa import erf, ranges
from gsa.erf import Field, Spread

page = words("compare")
text = page["fields"]
_FIGURES = {  # of the table: what `Spread` calls them, and pixels or shares
    "r50": ("radius_50", "px"),
    "r90": ("radius_90", "px"),
    "r99": ("radius_99", "px"),
    "area": ("area_90", "%"),
    "peak": ("above_1_percent", "%"),
    "sigma": ("sigma", "px"),
    "r2": ("gaussian_r2", "%"),
}


def show(pair: Pair) -> None:
    """The section."""
    st.markdown(text["lead"])
    left, middle, right, last = markup.row(
        "field_switches", [5, 6, 6, 7], vertical_alignment="bottom"
    )
    state.prepare_widget(Widget.compare_weights, "trained")
    weights = left.segmented_control(
        text["weights"],
        list(text["weight_kinds"]),
        format_func=text["weight_kinds"].get,
        required=True,
        key=Widget.compare_weights,
    )
    point = middle.selectbox(
        text["point"],
        list(text["points"]),
        format_func=text["points"].__getitem__,
        key=Widget.compare_point,
    )
    place = state.selection().middle if point == "chosen" else (0.5, 0.5)
    settings: dict[str, str | float] = {
        "weights": str(weights), "row": round(place[0], 3), "column": round(place[1], 3)
    }  # fmt: skip
    found: Fields | None = measured(
        Measurement("fields", settings, pair),
        text["start"],
        lambda: compare_resources.fields(pair, place, trained=weights == "trained"),
        Fields.to_dict,
        at_once=True,
    )
    if found is None:
        return
    layers = [field.layer for field in found.of["gsa"]]
    if state.widget_value(Widget.compare_layer) not in layers:  # another pair may have others
        state.set_widget(Widget.compare_layer, layers[0])
    layer = right.select_slider(text["layer"], layers, key=Widget.compare_layer)
    state.prepare_widget(Widget.compare_colours, "linear")
    colours = last.segmented_control(
        text["colours"],
        list(text["colour_kinds"]),
        format_func=text["colour_kinds"].get,
        required=True,
        key=Widget.compare_colours,
    )
    _maps(found, layers.index(layer), root=colours == "root")
    st.caption(
        text["protocol"].format(
            size=found.size, pictures=found.pictures, row=found.place[0], column=found.place[1],
            unit=erf.UNIT, gradient=erf.GRADIENT, scale=text["colour_scales"][colours],
        )
    )  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        _depth(found, layers)
    with right:
        _distances(found, layers)


def _theory(field: Field, size: int) -> str:
    """What a unit can see at all of an input of so many pixels a side."""
    side = field.theoretical.side[0]
    if side is None:
        return str(text["whole"])
    top, left, bottom, right = field.theoretical.box
    past = min(top, left) <= 0 and max(bottom, right) >= size and side > size
    return text["box_past" if past else "box"].format(side=side)


def _maps(found: Fields, at: int, *, root: bool) -> None:
    columns = markup.row("fields", [3, 3, 5], gap="medium")
    spreads = {}
    for column, mixer in zip(columns, MIXERS, strict=False):
        field, spread = found.of[mixer][at], found.of[mixer][at].spread
        twin, theory = page["twins"][mixer], _theory(field, found.size)
        label = text["alternative"].format(
            twin=twin, layer=field.layer, r50=spread.radius_50, r90=spread.radius_90, theory=theory
        )
        with column:
            st.markdown(f"**{twin}**")
            st.html(pictures.markup(drawn(field, root=root), label))
            st.caption(theory)
        spreads[twin] = spread
    with columns[2]:
        _numbers(spreads | {text["even"]: found.even[at]})


def _numbers(spreads: dict[str, Spread]) -> None:
    """The figures of several fields side by side, one figure a line.

    Args:
        spreads: by the title of the column.
    """
    names = text["table"]

    def flat(each: Spread, figure: str) -> bool:
        """Whether it is the share that a Gaussian explains, and none fits."""
        return figure == "gaussian_r2" and math.isnan(each.sigma)

    def shown(value: float, unit: str) -> str:
        if math.isnan(value):
            return "–"
        return f"{value:.1f} px" if unit == "px" else f"{value:.0%}"

    st.dataframe(
        [
            {"": names[key]}
            | {
                title: shown(math.nan if flat(each, figure) else getattr(each, figure), unit)
                for title, each in spreads.items()
            }
            for key, (figure, unit) in _FIGURES.items()
        ],
        hide_index=True,
    )
    explained = text["table_help"]
    st.caption(" ".join(f"**{names[key]}**: {words_}" for key, words_ in explained.items()))


def _farthest(field: Field) -> float:
    """Distance of the farthest corner that a unit can see, in pixels."""
    top, left, bottom, right = field.theoretical.box
    row, column = field.theoretical.centre
    return math.hypot(max(row - top, bottom - row), max(column - left, right - column))


def _depth(found: Fields, layers: list[str]) -> None:
    st.markdown(f"**{text['depth']}**")
    names = text["depth_lines"]
    lines: dict[str, tuple[str, list[float], bool]] = {
        names[mixer]: (mixer, [field.spread.radius_90 for field in found.of[mixer]], False)
        for mixer in MIXERS
    }
    lines[names["limit"]] = ("conv", [_farthest(field) for field in found.of["conv"]], True)
    lines[text["even"]] = ("even", [spread.radius_90 for spread in found.even], True)
    figure = figures.over_depth(layers, lines, text["depth_axis"], text["layer_axis"])
    markup.chart(figure, text["depth"], Widget.compare_depth)
    st.caption(text["depth_note"])


def _distances(found: Fields, layers: list[str]) -> None:
    st.markdown(f"**{text['distance']}**")
    names = text["distance_lines"]
    lines: dict[str, tuple[str, list[float], bool]] = {
        names[branch]: (branch, values, False) for branch, values in found.distances.items()
    }
    lines[names["reach"]] = ("conv", found.reach, False)
    lines[names["even"]] = ("even", found.even_distances, True)
    figure = figures.over_depth(layers, lines, text["distance_axis"], text["layer_axis"])
    markup.chart(figure, text["distance"], Widget.compare_distance)
    first = gallery.titles()[found.names[0]]
    st.caption(text["distance_note"].format(places=ranges.PLACES**2, picture=first))
