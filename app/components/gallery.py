"""Thumbnails to choose a picture from."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.components import asset

_component = st.components.v2.component(
    "gsa_gallery", html='<div class="row"></div>', css=asset("gallery.css"), js=asset("gallery.js")
)


def gallery(
    pictures: list[dict[str, str]], chosen: str, key: str, on_change: Callable[[], None]
) -> None:
    """Draw the gallery; after a click `on_change` finds the name in the widget's `name`."""
    data = {"pictures": pictures, "chosen": chosen}
    _component(data=data, key=key, on_name_change=on_change)
