"""Two places side by side: which map goes along with the place, and which stays in the picture?"""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import chart_files, markup, panels, places, section_files, state
from app.drawing import View
from app.figures import charts, theme
from app.selection import ANCHOR
from app.text import words
from app.widgets import Widget

text = words("look")
# colours tell branches, dashes how the maps lie
_COLOURS = {"content": theme.CONTENT, "positional": theme.POSITIONAL}
_DASHES = {"lie": "solid", "over": "dot"}


def exchange() -> None:
    """Make the other place the chosen one, and the chosen one the other."""
    state.select(state.selection().other)


def show(view: View) -> None:
    """The other place, the maps of both in the chosen layer, and how alike they are in all."""
    st.subheader(text["places_title"].format(layer=view.layer), anchor=ANCHOR)
    st.caption(text["places_lead"])
    left, middle, right = markup.row("places", [5, 11, 8], gap="medium")
    with left:
        _other(view)
    with middle:
        _maps(view)
    with right:
        _alike(view)


def _other(view: View) -> None:
    grid = panels.finest_grid(view.gsa.recording)
    markup.crop_picker(
        view,
        view.gsa.crop,
        (grid.rows, grid.columns),
        view.chosen.other.cells(grid),
        text["other_label"],
        Widget.other,
        partial(markup.take_place, Widget.other, "other_"),
    )
    st.button(text["exchange"], key=Widget.exchange, on_click=exchange, width="stretch")


def _maps(view: View) -> None:
    markup.beside(view, places.rows(view), Widget.places)
    markup.companion_scale(view)
    st.caption(text["places_scale"][view.chosen.companion_scale])
    markup.downloads(view, "places", partial(section_files.places_file, view), text["as_file"])


def _alike(view: View) -> None:
    found = places.alike(view)
    lines = {
        text["alike_line"].format(branch=text[branch], way=title): (
            colour,
            _DASHES[way],
            {each.layer: getattr(each, way) for each in found if each.branch == branch},
        )
        for branch, colour in _COLOURS.items()
        if any(each.branch == branch for each in found)
        for way, title in text["alike_ways"].items()
    }
    figure = charts.alike(lines, text["alike_axis"], text["layer_axis"])
    st.markdown(f"**{text['alike_title']}**")
    markup.chart(figure, text["alike_title"])
    st.caption(text["alike_words"].format(fewest=places.FEWEST))
    markup.numbers(view, "alike", partial(chart_files.alike_file, view, found))
