"""Rows of small maps with their figures, drawn by the browser as they are, without smoothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.components import asset

_component = st.components.v2.component(
    "gsa_strip", html='<div class="strip"></div>', css=asset("strip.css"), js=asset("strip.js")
)


def strip(
    rows: list[dict[str, Any]], picture: str, key: str, on_change: Callable[[], None] | None = None
) -> None:
    """Draw rows of maps; after a click on one `on_change` finds {id, row, column} in `chosen`.

    `row` and `column` say where on the map, as shares; Enter on a map leaves the id alone. Arrow
    keys move the second cell, where there is one: `row` and `column` are of its middle then, and
    `moving` says that keys are being pressed. When they rest, the last comes again without it.

    Args:
        rows: each with a `title` and `panels`; a panel has `id`, `title`, `url` of the map, `cell`
            [left, top, width, height] of the place as shares, `source` (a second cell, or empty),
            `alt`, `notes` (lines below it) and `chosen`.
        picture: URL of what lies beneath the maps; empty for nothing.
        key: of the widget.
        on_change: called when a map is clicked; without it the maps are no buttons.
    """
    data = {"rows": rows, "picture": picture, "buttons": on_change is not None}
    on_change = on_change or (lambda: None)
    _component(data=data, key=key, on_chosen_change=on_change)
