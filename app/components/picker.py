"""The photo with what the network sees of it, to point at a place by mouse, touch or keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.components import asset

_component = st.components.v2.component(
    "gsa_picker", html=asset("picker.html"), css=asset("picker.css"), js=asset("picker.js")
)


def picker(data: dict[str, Any], key: str, on_change: Callable[[], None]) -> None:
    """Draw the picker; `on_change` finds the new place in its `place`, in shares from 0 to 1.

    A click, tap or arrow key chooses a cell: {row, column} of its middle. A drag, or an arrow key
    with Shift, chooses a rectangle: {row, column, bottom, right} of its edges. `moving` says that
    keys are being pressed: when they rest, the last place comes again without it.

    Args:
        data: `photo` and `crop` (URLs), `map` (URL of what lies on the crop, or empty),
            `photo_size` [width, height] and `crop_box` [left, top, right, bottom] in the same
            pixels, `rows` and `columns` of the finest grid, `cells` [top, left, bottom, right] of
            the place on it, `label` for screen readers, `region` (what the button says that lets
            a finger draw a rectangle).
        key: of the widget.
        on_change: called when the place changes.
    """
    _component(data=data, key=key, on_place_change=on_change)
