"""A link that names a part of the page comes out there, whatever is still drawn above it."""

from __future__ import annotations

import streamlit as st

from app.components import asset

_component = st.components.v2.component("gsa_arrival", html="<i></i>", js=asset("arrival.js"))


def arrival(anchor: str, key: str) -> None:
    """Bring the container with the key `anchor` to the top, if the page was opened by `…#anchor`.

    Args:
        anchor: of the link.
        key: of the widget.
    """
    _component(data={"anchor": anchor}, key=key)
