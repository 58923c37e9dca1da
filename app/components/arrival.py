"""A part of the page that a link or a button brings into sight, whatever is drawn above it."""

from __future__ import annotations

import streamlit as st

from app.components import asset

_component = st.components.v2.component("gsa_arrival", html="<i></i>", js=asset("arrival.js"))


def arrival(anchor: str, bar: str, key: str) -> None:
    """What is drawn next comes to the top: if a link asks for it, and when a button is pressed.

    Args:
        anchor: of a link `…#anchor` by which the page is opened.
        bar: key of the widget whose buttons say what is drawn.
        key: of this widget.
    """
    _component(data={"anchor": anchor, "bar": bar, "key": key}, key=key)
