"""Take it along: the maps as files with their provenance, and the Python that makes them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from app import leaving, markup, state
from app.drawing import View
from app.selection import ANCHOR
from app.text import words

text = words("look")


def show(view: View) -> None:
    """Download buttons, the code, and the link."""
    st.subheader(text["take_title"], anchor=ANCHOR)
    st.caption(text["take_lead"])
    whole, single = st.columns(2, gap="large")
    for column, scope in ((whole, "layers"), (single, "heads")):
        with column:
            title = text["take_scopes"][scope].format(layer=view.layer)
            st.markdown(f"**{title}**")
            markup.downloads(view, scope, partial(leaving.file, view, scope), width="stretch")
    st.markdown(f"**{text['take_python']}**")
    st.code(leaving.python(view), language=None)
    if view.picture.gallery:
        read = state.read_before(view.chosen.section)
        st.markdown(f"**{text['take_link' if read == view.chosen.section else 'take_link_read']}**")
        there = leaving.link(replace(state.selection(), section=read), view.picture.gallery)
        address = (st.context.url or "").partition("?")[0].rstrip("/")
        st.code(address + there, language=None)
        if not address:  # not known, as in tests
            st.caption(text["take_link_rest"])
    else:
        st.caption(text["take_no_link"])
