"""How far every layer looks, from the chosen place and from everywhere."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from app import chart_files, experiments, markup, panels
from app.drawing import View, head_names
from app.figures import charts
from app.selection import ANCHOR, Value
from app.text import words
from gsa.ranges import even_distance

text = words("look")


def show(view: View) -> None:
    """A chart over depth and the figures as a table."""
    st.subheader(text["range_title"], anchor=ANCHOR)
    recording = view.gsa.recording
    places = panels.PLACES**2
    names = head_names(recording[view.layer].heads)
    heads = names.get(view.chosen.heads, names["mean"])  # as `panels.combine` takes it
    st.caption(text["range_lead"].format(size=recording.height, places=places, heads=heads))
    contribution = view.chosen.value == "contribution"  # else the figures are of the weights
    value: Value = "contribution" if contribution else "weight"
    everywhere = experiments.ranges_everywhere(view.gsa, view.chosen.heads, value)
    # as `everywhere`, from the place, also where the page shows who looks at it
    found = view.found
    if view.chosen.direction == "to":
        found = panels.all_layers(recording, replace(view.chosen, direction="from"))
    lines: dict[str, list[float]] = {}
    bands: dict[str, list[dict[str, float]]] = {}
    for panel in found:
        name = text[panel.branch]
        spread = everywhere[panel.layer, panel.branch]
        lines.setdefault(name, []).append(panel.measures.mean_distance)
        bands.setdefault(name, []).append(spread.get("mean_distance", {}))
    layers = list(recording.layers)
    even = [even_distance(view.chosen.cells(grid), grid) for grid in map(recording.grid, layers)]
    left, _ = st.columns([3, 2])
    with left:
        figure = charts.ranges(
            layers,
            lines,
            bands,
            (text["range_even"], even),
            text["range_axis"],
            text["layer_axis"],
        )
        markup.chart(figure, text["range_title"])
    with st.container():
        titles: dict[str, str] = text["range_columns"]
        rows = []
        for panel in found:
            row: dict[str, object] = {
                text["layer"]: panel.layer,
                text["branch"]: text[panel.branch],
            }
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
        st.caption(text["range_words"].format(places=places))
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
