"""The part of the inspector that follows the chosen place; it reruns without the rest."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import streamlit as st

from app import markup, panels, resources, state
from app.components.arrival import arrival
from app.components.picker import picker
from app.components.strip import strip
from app.drawing import View, beneath, drawn, head_names, map_url, meaning
from app.panels import Panel
from app.resources import Seen
from app.sections import heads, matter, places, ranges, stable, take, why
from app.selection import ANCHOR, Selection
from app.state import Picture
from app.text import words
from app.widgets import Widget
from gsa.proofs import TOLERANCE_FLOAT32
from gsa.ranges import even_distance

text = words("look")
SECTIONS = {
    "heads": heads.show,
    "places": places.show,
    "matter": matter.show,
    "stable": stable.show,
    "range": ranges.show,
    "why": why.show,
    "take": take.show,
}


def take_layer() -> None:
    """Remember the layer whose map was clicked."""
    value = getattr(state.widget_value(Widget.strip), "chosen", None)
    if value:
        state.change(layer=str(value["id"]).split(" ")[0])


@st.fragment
def inspect(seen: dict[str, Seen], picture: Picture) -> None:
    """Picker, predictions, maps of all layers, and a section that says more about them."""
    with st.container():  # always there, so that its going does not draw all that follows anew
        if state.link_complaint():
            st.warning(state.link_complaint())
    state.write_link()  # not at the end: some sections take their time
    chosen = state.selection()
    recording = seen["gsa"].recording
    left, right = markup.row("look", [5, 12], gap="medium")
    found = panels.all_layers(recording, chosen)
    layer = chosen.layer if chosen.layer in recording.layers else panels.first_layer(recording)
    view = View(seen, picture, chosen, layer, found)
    with left:
        _picker(view)
        _predictions(seen)
    with right:
        _strip(view)
        _switches(recording[layer].heads, chosen)
        _proof(recording, chosen)
    _section(view)


def _section(view: View) -> None:
    arrival(ANCHOR, Widget.section, Widget.arrival)
    section = markup.choice(
        "section",
        view.chosen.section,
        text["section"],
        text["sections"],
        label_visibility="collapsed",
        width="stretch",
    )
    state.read_before(view.chosen.section)
    with st.container(key=ANCHOR):
        SECTIONS[section](view)


def _picker(view: View) -> None:
    seen, chosen = view.gsa, view.chosen
    grid = panels.finest_grid(seen.recording)
    cells = chosen.cells(grid)
    left, top, right, bottom = seen.crop_box
    width, height = seen.photo_size
    part = resources.shown_part(width, height)
    picker(
        {
            "photo": resources.photo_url(view.picture.digest, view.picture.data),
            "crop": resources.data_url(seen.crop),
            "photo_size": [part[2] - part[0], part[3] - part[1]],
            "crop_box": [left - part[0], top - part[1], right - part[0], bottom - part[1]],
            "rows": grid.rows,
            "columns": grid.columns,
            "cells": [cells.top, cells.left, cells.bottom, cells.right],
            "map": _map_over(view),
            "label": text["picker_label"].format(name=view.picture.name, size=grid.height),
            "region": text["region"],
        },
        Widget.picker,
        partial(markup.take_place, Widget.picker),
    )
    _over(view)
    tall, wide = (bottom - top) / grid.rows, (right - left) / grid.columns
    whose = text["whose"]["gallery" if view.picture.gallery else "own"]
    caption = text["picker_caption"].format(
        row=_span(cells.top + 1, cells.bottom), column=_span(cells.left + 1, cells.right),
        rows=grid.rows, columns=grid.columns,
        # a cell may be finer than the pixels of a small photo, so both edges may be one
        down=_span(
            round(top + cells.top * tall), min(round(top + cells.bottom * tall), height - 1)
        ),
        across=_span(
            round(left + cells.left * wide), min(round(left + cells.right * wide), width - 1)
        ),
        width=width, height=height, whose=whose,
    )  # fmt: skip
    lost = 1 - (right - left) * (bottom - top) / (width * height)
    whole = part == (0, 0, width, height)
    # rounded down: something is seen
    cut = text["cut_off" if whole else "cut_off_far"].format(share=math.floor(lost * 1000) / 1000)
    if lost <= 0.005:
        cut = text["nothing_cut"]
    said = [caption, cut]
    times = seen.recording.height / (bottom - top)
    if times > 1:
        said.append(text["enlarged"].format(times=times, size=seen.recording.height))
    st.caption(" ".join(said))


def _over(view: View) -> None:
    """Choose what lies on the large picture: nothing, or the chosen layer's map of a branch."""
    there = {"photo", *(panel.branch for panel in view.found if panel.layer == view.layer)}
    names = {
        name: title.format(layer=view.layer)
        for name, title in text["overs"].items()
        if name in there
    }
    now = view.chosen.over if view.chosen.over in names else "photo"
    markup.choice("over", now, text["over"], names, label_visibility="collapsed", width="stretch")


def _map_over(view: View) -> str:
    """URL of the map that lies on the large picture; empty for none."""
    for panel in view.found:
        if (panel.layer, panel.branch) == (view.layer, view.chosen.over):
            return map_url(panel, see_through=True)
    return ""


def _span(first: int, last: int) -> str:
    """`3`, or `3 to 5`."""
    return str(first) if first == last else text["span"].format(first=first, last=last)


def _predictions(seen: dict[str, Seen]) -> None:
    columns = []
    for mixer, title in text["twins"].items():
        twin = seen[mixer]
        results = twin.card.results
        accuracy = text["no_accuracy"]
        if {"top1", "n"} <= results.keys():  # a card may have others alone
            accuracy = text["accuracy"].format(top1=results["top1"], n=results["n"])
        note = text["twin_note"].format(parameters=twin.card.params / 1e6, accuracy=accuracy)
        columns.append((mixer, title, note, twin.top))
    st.html(markup.predictions(columns))
    st.caption(text["unsure"].format(classes=len(seen["gsa"].card.classes)))


def _switches(heads: int, chosen: Selection) -> None:
    names = head_names(heads)
    columns = markup.row("switches", [3, 3, 4, 3, 3], vertical_alignment="bottom")
    with columns[0]:
        markup.menu(
            "heads",
            chosen.heads if chosen.heads in names else "mean",
            text["heads"],
            names,
            text["heads_help"],
        )
    for column, field in zip(columns[1:], ("direction", "value", "scale"), strict=False):
        with column:
            markup.menu(
                field,
                getattr(chosen, field),
                text[field],
                text[f"{field}s"],
                text[f"{field}_help"],
            )
    state.prepare_widget(Widget.beneath, chosen.beneath)
    columns[4].toggle(
        text["beneath"],
        key=Widget.beneath,
        on_change=state.take,
        args=("beneath", Widget.beneath),
    )


def strip_rows(found: list[Panel], layer: str, chosen: Selection) -> list[dict[str, Any]]:
    """The maps of all layers as the strip component takes them, `layer` marked."""
    reading = chosen.direction == "from"  # the share is of the place's own output
    rows = []
    for branch in dict.fromkeys(panel.branch for panel in found):
        shown = [
            drawn(
                panel,
                chosen,
                id_=f"{panel.layer} {panel.branch}",
                title=panel.layer,
                extra=_of_output(panel) if reading else [],
                marked=panel.layer == layer,
            )
            for panel in found
            if panel.branch == branch
        ]
        rows.append({"title": text[f"{branch}_row"], "panels": shown})
    return rows


def _of_output(panel: Panel) -> list[str]:
    """What part a branch has in the output of the place, and the norm's offset in the branch."""
    lines = [text["share"].format(share=panel.share)]
    if panel.constant:  # without a norm between the steps there is none
        lines.append(text["constant"].format(share=panel.constant))
    return lines


def _strip(view: View) -> None:
    rows = strip_rows(view.found, view.layer, view.chosen)
    strip(rows, beneath(view.gsa, view.chosen), Widget.strip, take_layer)
    legend, button = markup.row("legend", [10, 2], vertical_alignment="top")
    legend.caption(_legend(view))
    with button.popover(text["words_button"], width="stretch"):
        st.markdown(_terms(view.gsa.card.network.projection_norm))


def _legend(view: View) -> str:
    """What the colours mean, and the figures under the maps."""
    chosen = view.chosen
    even = [round(even_distance(panel.cells, panel.grid)) for panel in view.found]
    kind = "signed" if panels.can_be_negative(chosen.value, chosen.heads) else "size"
    if chosen.value == "deviation":
        kind = "deviation"
    return text["legend"].format(
        colours=text["legend_beneath" if chosen.beneath else "legend_colours"][kind],
        meaning=meaning(chosen.value, signed=kind != "size"),
        under=text["legend_under"][chosen.direction].format(
            size=view.gsa.recording.height,
            even=_span(min(even), max(even)),
            peak="" if chosen.scale == "own" else text["legend_peak"],
        ),
    )


def _terms(norm: str) -> str:
    """The words of the page, for networks with such a norm on their projections."""
    constant = "" if norm == "none" else text["words_constant"]
    return text["words"].format(constant=constant, normed=text["words_normed"][norm])


def _proof(recording: Any, chosen: Selection) -> None:
    worst, count = panels.proof(recording, chosen)
    if worst.max_rel_error <= TOLERANCE_FLOAT32:
        sentence = text["proof"][chosen.direction]
        sentence = sentence.format(count=count, error=markup.rounded(worst.max_rel_error))
        st.caption(f":green[:material/verified:] {sentence}")
    else:
        st.error(
            text["proof_failed"][chosen.direction].format(error=markup.rounded(worst.max_rel_error))
        )
