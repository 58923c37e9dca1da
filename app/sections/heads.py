"""The heads of one layer, and one of their weights taken apart."""

from __future__ import annotations

import base64
import html
from typing import NamedTuple

import numpy as np
import streamlit as st

from app import markup, panels, resources, state
from app.components.strip import strip
from app.drawing import View, beneath, drawn
from app.figures import theme
from app.one_weight import (
    ContentWeight,
    PositionalWeight,
    constant_query,
    content_weight,
    positional_weight,
)
from app.selection import ANCHOR
from app.text import words
from app.widgets import Widget
from gsa import maps
from gsa.proofs import prove
from gsa.record import Array, LayerRecord

text = words("look")
_TERMS = 6  # of a sum over channels that are listed one by one


def take_weight() -> None:
    """Remember the head that was clicked, and the place on its map."""
    value = getattr(state.widget_value(Widget.detail), "chosen", None)
    if not value:
        return
    fields: dict[str, object] = {"heads": value["id"].split(" ")[0]}
    if "row" in value:
        fields |= {"source_row": float(value["row"]), "source_column": float(value["column"])}
    state.change(**fields)
    if value.get("moving"):
        state.hold_link()
    state.set_widget(Widget.heads, fields["heads"])


def show(view: View) -> None:
    """Content, positional and sum of every head; then one weight."""
    chosen, layer = view.chosen, view.layer
    st.subheader(text["layer_title"].format(layer=layer), anchor=ANCHOR)
    st.caption(text["layer_lead"])
    recording = view.gsa.recording
    grid = recording.grid(layer)
    heads = panels.one_layer(recording, layer, chosen)
    record = recording[layer]
    apart = _head(view, record)  # the head whose one weight is taken apart
    rows = []
    for branch in dict.fromkeys(panel.branch for panel in heads):
        shown = [
            drawn(
                panel,
                chosen,
                id_=f"{panel.heads} {panel.branch}",
                title=text["head_one"].format(head=int(panel.heads) + 1),
                marked=panel.heads == str(apart),
                source=chosen.source(grid),
            )
            for panel in heads
            if panel.branch == branch
        ]
        exact = branch == "sum" and chosen.value == "contribution"  # of each channel by itself
        title = text["sum_contributions" if exact else f"{branch}_heads"]
        rows.append({"title": title, "panels": shown})
    if record.rho is not None and chosen.direction == "from":
        rows.append(_keys(view, record))
    left, right = markup.row("heads", [1, 1], gap="large")
    with left:
        strip(rows, beneath(view.gsa, chosen), Widget.detail, take_weight)
        if record.gain is not None:
            low, high = record.gain.min(), record.gain.max()
            st.caption(text["about_positional"].format(low=low, high=high))
    with right:
        _one_weight(view, record)


def _head(view: View, record: LayerRecord) -> int:
    """The chosen head; the first where heads are combined."""
    heads = view.chosen.heads
    return int(heads) if heads.isdigit() and int(heads) < record.heads else 0


def _keys(view: View, record: LayerRecord) -> dict[str, object]:
    """A row of the key maps that a head's content map is made of."""
    head = _head(view, record)
    shown = [
        drawn(
            panel,
            view.chosen,
            id_=f"{head} key {channel}",
            title=text["key_title"].format(d=channel + 1, q=q),
        )
        for channel, q, panel in panels.keys(view.gsa.recording, view.layer, head, view.chosen)
    ]
    title = text["key_row"].format(count=len(shown), channels=record.q.shape[1], head=head + 1)
    return {"title": title, "panels": shown}


def _one_weight(view: View, record: LayerRecord) -> None:
    chosen = view.chosen
    grid = view.gsa.recording.grid(view.layer)
    head = _head(view, record)
    here, there = chosen.point(grid), chosen.source(grid)
    # the square is round the chosen place in either direction, as in all maps
    read_by = chosen.direction == "to"
    query, source = (there, here) if read_by else (here, there)
    marks = text["weight_marks"][::-1] if read_by else text["weight_marks"]
    st.markdown(f"**{text['weight_title']}**")
    st.caption(
        text["weight_lead"].format(
            head=head + 1, query_row=query[0] + 1, query_column=query[1] + 1,
            source_row=source[0] + 1, source_column=source[1] + 1,
            query_mark=marks[0], source_mark=marks[1],
        )
    )  # fmt: skip
    if chosen.is_region:
        st.caption(text["weight_region"])
    picture, numbers = st.columns([2, 3], gap="medium")
    with picture:
        st.html(_path(view, query, source, square=here))
    with numbers:
        if record.rho is not None:
            _content(content_weight(record, head, query, source))
        if record.r_c is not None and record.r_r is not None:
            _positional(positional_weight(record, head, query, source))
    if share := constant_query(record, head, query):
        st.caption(text["constant_query"].format(share=share, mark=marks[0]))
    for kind in maps.kinds(record):
        # of the map from the place, whatever the direction: the weight above is one of its cells
        error = prove(record, kind, chosen.cells(grid)).max_rel_error
        st.caption(text["weight_proof"][kind].format(error=markup.rounded(error)))


def _content(weight: ContentWeight) -> None:
    lines = _channels("content_term", weight.q, weight.rho)
    total = text["content_total"].format(weight=weight.weight)
    _equation(text["content_formula"], [("", lines)], total)


def _positional(weight: PositionalWeight) -> None:
    row, column = weight.row, weight.column
    steps = [
        (
            text["row_line"].format(offset=row.offset, score=row.value),
            _channels("positional_term", row.q, row.r),
        ),
        (
            text["column_line"].format(
                offset=column.offset, score=column.value,
                via_row=weight.via[0] + 1, via_column=weight.via[1] + 1,
            ),
            _channels("positional_term", column.q, column.r),
        ),
    ]  # fmt: skip
    total = text["positional_total"].format(
        weight=weight.weight, low=weight.gain[0], high=weight.gain[1]
    )
    _equation(text["positional_formula"], steps, total)


class Terms(NamedTuple):
    """A sum over channels in words: its largest terms, and the others together and one by one."""

    first: list[str]
    others: str  # empty if there are none
    rest: list[str]


def _channels(sentence: str, q: Array, other: Array) -> Terms:
    """The terms of a sum over channels, the largest first."""
    terms = q * other
    order = np.argsort(-np.abs(terms), kind="stable")
    lines = [text[sentence].format(d=d + 1, q=q[d], other=other[d], term=terms[d]) for d in order]
    rest = terms[order[_TERMS:]]
    others = text["more_terms"].format(count=len(rest), sum=rest.sum()) if len(rest) else ""
    return Terms(lines[:_TERMS], others, lines[_TERMS:])


def _equation(formula: str, steps: list[tuple[str, Terms]], total: str) -> None:
    """A formula and the numbers in it: of each step what it is, and its terms."""
    st.markdown(f"${formula}$")
    lists = ""
    for title, terms in steps:
        lists += f"<p>{html.escape(title)}</p>" * bool(title) + _items(terms.first)
        if terms.others:  # unfolds to the small terms
            summary = f"<summary>{html.escape(terms.others)}</summary>"
            lists += f"<details>{summary}{_items(terms.rest)}</details>"
    st.html(f"<div class='weight'>{lists}<b>{html.escape(total)}</b></div>")


def _items(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def _path(
    view: View, query: tuple[int, int], source: tuple[int, int], *, square: tuple[int, int]
) -> str:
    """The picture with the two steps on it: source to the query's row, then along it.

    The chosen one of both cells has a square, the other a dot; an arrow goes to the query.
    """
    grid = view.gsa.recording.grid(view.layer)
    size = f"0 0 {grid.width} {grid.height}"
    (y_0, x_0), (y_1, x_1) = (grid.centre(*cell) for cell in (source, query))
    top, left, bottom, right = grid.box(*square)
    y_2, x_2 = grid.centre(*(source if square == query else query))
    stroke = max(grid.width / 90, 1)
    steps = f"M {x_0} {y_0} L {x_0} {y_1} L {x_1} {y_1}"
    label = html.escape(text["path_label"], quote=True)
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='{size}'>"
        f"<image href='{resources.data_url(view.gsa.crop)}' width='{grid.width}' "
        f"height='{grid.height}' style='image-rendering:pixelated'/>"
        "<marker id='to' viewBox='0 0 6 6' refX='5' refY='3' markerWidth='4' markerHeight='4' "
        f"orient='auto'><path d='M 0 0 L 6 3 L 0 6 z' fill='{theme.CONTENT}' stroke='white' "
        "stroke-width='0.6'/></marker>"
        f"<path d='{steps}' fill='none' stroke='white' stroke-width='{2.4 * stroke}'/>"
        f"<path d='{steps}' fill='none' stroke='{theme.CONTENT}' stroke-width='{1.2 * stroke}' "
        "marker-end='url(#to)'/>"
        f"<circle cx='{x_2}' cy='{y_2}' r='{2.2 * stroke}' fill='{theme.CONTENT}' stroke='white' "
        f"stroke-width='{0.7 * stroke}'/>"
        f"<circle cx='{x_0}' cy='{y_1}' r='{1.3 * stroke}' fill='white' stroke='{theme.CONTENT}' "
        f"stroke-width='{0.7 * stroke}'/>"
        f"<rect x='{left}' y='{top}' width='{right - left}' height='{bottom - top}' fill='none' "
        f"stroke='white' stroke-width='{1.6 * stroke}'/>"
        f"<rect x='{left}' y='{top}' width='{right - left}' height='{bottom - top}' fill='none' "
        f"stroke='black' stroke-width='{0.7 * stroke}'/></svg>"
    )
    url = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return f"<img class='path' src='{url}' alt='{label}'>"
