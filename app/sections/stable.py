"""Is the map stable, is it special? It stands beside its companions."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import companions, markup, section_files
from app.drawing import View
from app.selection import ANCHOR
from app.text import words
from app.widgets import Widget

text = words("look")


def show(view: View) -> None:
    """One row for each branch of the chosen layer."""
    st.subheader(text["stable_title"].format(layer=view.layer), anchor=ANCHOR)
    st.caption(text["stable_lead"])
    markup.companion_scale(view)
    found = companions.rows(view)
    markup.beside(view, found, Widget.stable)
    st.caption(companions.sentences(view, found))
    make = partial(section_files.companions_file, view)
    markup.downloads(view, "companions", make, text["as_file"])
