"""Small pieces of page that several sections share."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import streamlit as st
from PIL import Image, ImageDraw

from app import leaving, resources, state
from app.companions import Beside
from app.components.picker import picker
from app.components.strip import strip
from app.drawing import View, beneath, drawn
from app.figures import theme
from app.selection import PAIR
from app.text import words
from app.widgets import Widget
from gsa.cells import Cells
from gsa.maps import Branch

text = words("look")
PERCENT = st.column_config.NumberColumn(format="%.1f%%")  # of tables; for values of `in_percent`
CHART = {"displaylogo": False, "modeBarButtons": [["toImage"]]}  # how plotly figures behave


def row(name: str, shares: Sequence[int], **options: Any) -> list[Any]:
    """Columns that `style.css` lays out anew, by their name, on a tablet held upright.

    Args:
        name: of this row alone.
        shares: of the width, as `st.columns` takes them, with its options.
    """
    with st.container(key=f"{Widget.row}_{name}"):
        return st.columns(shares, **options)


def rounded(error: float) -> str:
    """A relative error such as 2e−06; at a hyphen browsers break lines."""
    return f"{error:.0e}".replace("-", "\N{MINUS SIGN}")


def take_place(key: str, prefix: str = "") -> None:
    """Remember the place that was pointed at with a picker; a callback.

    Args:
        key: of the picker.
        prefix: of the fields of `Selection` that hold the place.
    """
    place = getattr(state.widget_value(key), "place", None)
    if not place:
        return
    edges = ("row", "column", "bottom", "right")
    state.change(**{f"{prefix}{edge}": float(place.get(edge, 0.0)) for edge in edges})
    if place.get("moving"):
        state.hold_link()


def crop_picker(
    view: View,
    picture: Image.Image,
    shape: tuple[int, int],
    cells: Cells,
    label: str,
    key: str,
    on_change: Callable[[], None],
) -> None:
    """A picker for something beside the chosen place, on what the network sees.

    Args:
        view: what is shown; a ring marks its place.
        picture: of the size of the network's input.
        shape: (rows, columns) of the cells that are pointed at.
        cells: that are chosen now.
        label: for screen readers.
        key: of the widget.
        on_change: as `app.components.picker` says.
    """
    url = resources.data_url(_with_place(picture, view.chosen.place(picture.height, picture.width)))
    picker(
        {
            "photo": url,
            "crop": url,
            "photo_size": [picture.width, picture.height],
            "crop_box": [0, 0, picture.width, picture.height],
            "rows": shape[0],
            "columns": shape[1],
            "cells": [cells.top, cells.left, cells.bottom, cells.right],
            "map": "",
            "label": label,
            "region": text["region"],
        },
        key,
        on_change,
    )


def _with_place(picture: Image.Image, place: tuple[float, float]) -> Image.Image:
    """The picture with a ring at (row, column) in pixels, readable on any ground."""
    row, column = place
    marked = picture.copy()
    for radius, colour in ((4, "black"), (3, "white")):
        edges = (column - radius, row - radius, column + radius, row + radius)
        ImageDraw.Draw(marked).ellipse(edges, outline=colour)
    return marked


def predictions(columns: Sequence[tuple[str, str, str, Sequence[tuple[str, float]]]]) -> str:
    """Bars of the most probable classes, side by side.

    Args:
        columns: of each network its mixer, a title, a note, and labels with probabilities.
    """
    sections = []
    for mixer, title, note, top in columns:
        bars = "".join(
            f"<li><span class='bar' style='width:{probability:.1%}'></span>"
            f"<span class='label' title='{html.escape(label, quote=True)}'>"
            f"{html.escape(label)}</span>"
            f"<span class='value'>{probability:.0%}</span></li>"
            for label, probability in top
        )
        sections.append(
            f"<section class='{mixer}'><h2>{title}</h2><p>{note}</p><ol>{bars}</ol></section>"
        )
    return f"<div class='predictions'>{''.join(sections)}</div>"


def chart(figure: Any, title: str, key: str | None = None) -> None:
    """A plotly figure of `app.figures`, with its lines in words for those who do not see them.

    Args:
        figure: as `theme.finished` leaves it.
        title: what it shows.
        key: of the widget.
    """
    said = theme.in_words(figure, title)
    st.plotly_chart(figure, theme=None, config=CHART, key=key, alt=said)


def pair_name(pair: str) -> str:
    """What the app calls a pair; of one that it does not know, the name that its cards give."""
    return str(text["pairs"].get(pair, pair))


def pair_box(known: Sequence[str], on_change: Callable[[str, str], None] = state.take) -> None:
    """A choice of the networks, by the names of their pairs, at least one.

    Args:
        known: the names.
        on_change: called with the name of the setting and the key of the widget.
    """
    chosen = state.selection().pair
    # set and not prepared: two pages have this widget, and to Streamlit they are two
    state.set_widget(Widget.pair, chosen if chosen in known else known[0])
    st.selectbox(
        text["pair"],
        known,
        format_func=pair_name,
        key=Widget.pair,
        on_change=on_change,
        args=(PAIR, Widget.pair),
    )


def choice(
    field: str,
    value: str,
    label: str,
    options: dict[str, str],
    *,
    label_visibility: Literal["visible", "collapsed"] = "visible",
    width: Literal["content", "stretch"] = "content",
) -> str:
    """Buttons of which one is pressed, for a field of the selection.

    Args:
        field: of `Selection`; the widget of its name is drawn.
        value: the option that is pressed at first.
        label: of the buttons.
        options: what each may be, and how it is called.
        label_visibility: "collapsed" where what stands around says what is chosen.
        width: of the buttons: that of their names, or of the column.

    Returns:
        The option that is pressed.
    """
    return str(
        st.segmented_control(
            label,
            **_bound(field, value, options),
            required=True,
            label_visibility=label_visibility,
            width=width,
        )
    )


def companion_scale(view: View) -> None:
    """The choice of how maps that stand beside one another share a colour scale."""
    choice(
        "companion_scale",
        view.chosen.companion_scale,
        text["companion_scale"],
        text["companion_scales"],
    )


def beside(view: View, found: Mapping[Branch, Sequence[Beside]], key: str) -> None:
    """Maps beside one another, a row for each branch.

    Args:
        view: what is shown.
        found: the maps by branch.
        key: of the widget.
    """
    rows = [
        {
            "title": text[f"{branch}_row"],
            "panels": [
                drawn(each.panel, view.chosen, id_=each.id_, title=each.title, extra=each.notes)
                for each in row
            ],
        }
        for branch, row in found.items()
    ]
    strip(rows, beneath(view.gsa, view.chosen), key)


def menu(
    field: str, value: str, label: str, options: dict[str, str], explanation: str | None = None
) -> None:
    """A list that unfolds, for a field of the selection; arguments as of `choice`."""
    st.selectbox(label, **_bound(field, value, options), help=explanation)


def _bound(field: str, value: str, options: dict[str, str]) -> dict[str, Any]:
    """What ties a widget of options to a field of the selection."""
    key = getattr(Widget, field)
    state.prepare_widget(key, value)
    return {
        "options": list(options),
        "format_func": options.__getitem__,
        "key": key,
        "on_change": state.take,
        "args": (field, key),
    }


def in_percent(share: float | None) -> float | None:
    """A share from 0 to 1 as a column `PERCENT` shows it, always with one digit behind the dot."""
    return None if share is None else 100 * share


def target_box(view: View) -> None:
    """A choice of the class that is asked about."""
    labels = sorted(view.gsa.card.classes)
    now = view.gsa.card.classes[resources.target(view.gsa, view.chosen.target)]
    state.set_widget(Widget.target, now)
    st.selectbox(
        text["target"],
        labels,
        key=Widget.target,
        on_change=state.take,
        args=("target", Widget.target),
    )


def numbers(view: View, scope: str, make: Callable[[], bytes]) -> None:
    """A button for the numbers of a chart as JSON, which are written when it is pressed.

    Args:
        view: what is shown.
        scope: what the file holds, one of `leaving.SCOPES`.
        make: gives the bytes.
    """
    st.download_button(
        text["as_numbers"],
        data=make,
        file_name=leaving.file_name(view, scope, "json"),
        mime="application/json",
        key=f"{Widget.take}_{scope}_json",
        on_click="ignore",
    )


def downloads(
    view: View,
    scope: str,
    make: Callable[[str], bytes],
    label: str = "",
    width: Literal["content", "stretch"] = "content",
) -> None:
    """Buttons for a file of each of `leaving.KINDS`, which is made when one is pressed.

    Args:
        view: what is shown.
        scope: what the files show, one of `leaving.SCOPES`.
        make: gives the bytes of a kind.
        label: before the buttons; none where a title above says what they are for.
        width: of the buttons: that of their names, or of the column together.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if label:
            st.caption(label, width="content")
        for kind, mime in leaving.KINDS.items():
            st.download_button(
                kind.upper(),
                data=partial(make, kind),
                file_name=leaving.file_name(view, scope, kind),
                mime=mime,
                key=f"{Widget.take}_{scope}_{kind}",
                on_click="ignore",
                width=width,
            )
