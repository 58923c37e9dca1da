"""How far: what one layer's maps reach, and what reaches the place through all layers before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from app import chart_files, experiments, fields, markup, panels, section_files
from app.components.strip import strip
from app.drawing import View, beneath, head_names
from app.figures import charts, compare
from app.panels import Panel
from app.selection import ANCHOR, Value
from app.text import words
from app.widgets import Widget
from gsa import erf
from gsa.erf import Field
from gsa.ranges import even_distance

text = words("look")


def show(view: View) -> None:
    """Charts over depth, the fields of the place, and the figures of its maps as a table."""
    st.subheader(text["range_title"], anchor=ANCHOR)
    contribution = view.chosen.value == "contribution"  # else the figures are of the weights
    value: Value = "contribution" if contribution else "weight"
    everywhere = experiments.ranges_everywhere(view.gsa, view.chosen.heads, value)
    # as `everywhere`, from the place, also where the page shows who looks at it
    found = view.found
    if view.chosen.direction == "to":
        found = panels.all_layers(view.gsa.recording, replace(view.chosen, direction="from"))
    left, right = markup.row("range", [1, 1], gap="large")
    with left:
        _one_layer(view, found, everywhere)
    of_place = fields.of(view)
    with right:
        _all_layers(of_place)
    _fields(view, of_place)
    st.markdown(f"**{text['numbers_title']}**")
    _table(found, everywhere)
    numbers = [
        {
            "layer": panel.layer,
            "branch": panel.branch,
            **panel.measures.to_dict(),
            "spread": everywhere[panel.layer, panel.branch],
        }
        for panel in found
    ]
    markup.numbers(view, "range", partial(chart_files.ranges_file, view, numbers, value))


def _one_layer(view: View, found: Sequence[Panel], everywhere: experiments.Spread) -> None:
    """Mean distances of the maps over depth."""
    recording = view.gsa.recording
    names = head_names(recording[view.layer].heads)
    heads = names.get(view.chosen.heads, names["mean"])  # as `panels.combine` takes it
    lines: dict[str, list[float]] = {}
    bands: dict[str, list[dict[str, float]]] = {}
    for panel in found:
        name = text[panel.branch]
        spread = everywhere[panel.layer, panel.branch]
        lines.setdefault(name, []).append(panel.measures.mean_distance)
        bands.setdefault(name, []).append(spread.get("mean_distance", {}))
    layers = list(recording.layers)
    even = [even_distance(view.chosen.cells(grid), grid) for grid in map(recording.grid, layers)]
    st.markdown(f"**{text['range_one']}**")
    figure = charts.ranges(
        layers,
        lines,
        bands,
        (text["range_even"], even),
        text["range_band"],
        text["range_axis"],
        text["layer_axis"],
    )
    markup.chart(figure, text["range_one"])
    places = panels.PLACES**2
    st.caption(text["range_lead"].format(size=recording.height, places=places, heads=heads))


def _all_layers(found: Mapping[str, Sequence[Field]]) -> None:
    """How far the pixels lie that move the place, over depth."""
    st.markdown(f"**{text['fields_chart']}**")
    lines: dict[str, tuple[str, list[float], bool]] = {
        text["twins"][mixer]: (mixer, [field.spread.radius_90 for field in of], False)
        for mixer, of in found.items()
    }
    even = [erf.even_spread(field).radius_90 for field in found["gsa"]]  # twins have one centre
    lines[text["fields_even"]] = ("even", even, True)
    layers = [field.layer for field in found["gsa"]]
    figure = compare.over_depth(layers, lines, text["fields_axis"], text["layer_axis"])
    markup.chart(figure, text["fields_chart"])
    st.caption(text["fields_lead"])


def _fields(view: View, found: Mapping[str, Sequence[Field]]) -> None:
    """Their pictures, and the files of them."""
    st.markdown(f"**{text['fields_title']}**")
    strip(fields.strip_rows(view, found), beneath(view.gsa, view.chosen), Widget.fields)
    said = text["fields_words"].format(unit=erf.UNIT)
    st.caption(f"{said} {text['fields_more']}")
    make = partial(section_files.fields_file, view, found, said)
    markup.downloads(view, "fields", make, text["as_file"])
    markup.numbers(view, "radii", partial(chart_files.fields_file, view, found))


def _table(found: Sequence[Panel], everywhere: experiments.Spread) -> None:
    titles: dict[str, str] = text["range_columns"]
    rows = []
    for panel in found:
        row: dict[str, Any] = {text["layer"]: panel.layer, text["branch"]: text[panel.branch]}
        spread = everywhere[panel.layer, panel.branch]
        for name, title in titles.items():
            row[title] = getattr(panel.measures, name)
            if name in spread:
                row[text["range_all"].format(title=title)] = spread[name]["median"]
        rows.append(row)
    columns = {
        column: st.column_config.NumberColumn(format="%.1f")
        for title in titles.values()
        for column in (title, text["range_all"].format(title=title))
    }
    st.dataframe(rows, hide_index=True, column_config=columns, height="content")
    st.caption(text["range_words"].format(places=panels.PLACES**2))
