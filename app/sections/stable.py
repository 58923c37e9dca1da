"""Is the map stable, is it special? It stands beside its companions."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import companions, markup, section_files
from app.components.strip import strip
from app.drawing import View, beneath, drawn
from app.selection import ANCHOR
from app.state import Widget
from app.text import words

text = words("look")


def show(view: View) -> None:
    """One row for each branch of the chosen layer."""
    st.subheader(text["stable_title"].format(layer=view.layer), anchor=ANCHOR)
    st.caption(text["stable_lead"])
    markup.choice(
        "companion_scale",
        view.chosen.companion_scale,
        text["companion_scale"],
        text["companion_scales"],
    )
    found = companions.rows(view)
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
    strip(rows, beneath(view.gsa, view.chosen), Widget.stable)
    st.caption(companions.sentences(view, found))
    make = partial(section_files.companions_file, view)
    markup.downloads(view, "companions", make, text["as_file"])
