"""How every measurement of the Compare page is started, shown while it runs, stopped and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from app import compare_resources
from app.text import words

text = words("compare")

Steps = Iterator[tuple[float, Any]]


def measured(
    key: str,
    start: str,
    steps: Callable[[], Steps],
    meanwhile: Callable[[Any], None] | None = None,
) -> Any:
    """The kept result, or a button that starts the measurement; None until there is a result.

    Args:
        key: what the result depends on; it is kept under this.
        start: what the button says.
        steps: begins the measurement, which gives (share done, result so far).
        meanwhile: draws a result so far.
    """
    found = compare_resources.kept(key)
    if found is not None:
        return found
    # each thing has a place of its own that it is replaced in, or the browser would keep old ones
    button, progress, drawing = st.empty(), st.empty(), st.empty()
    if not button.button(start, type="primary", key=f"start {key}"):
        return None
    # a click runs the page anew, which ends the loop below at its next word to the browser
    button.button(text["cancel"], key=f"cancel {key}")
    progress.progress(0.0, text["running"].format(share=0))
    try:
        for share, found in steps():
            progress.progress(min(share, 1.0), text["running"].format(share=share))
            if meanwhile is not None and found is not None:
                with drawing.container():
                    meanwhile(found)
    except (ValueError, OSError) as error:
        drawing.error(text["cannot"].format(error=error))
        progress.empty()
        button.button(text["back"], key=f"back {key}")
        return None
    for place in (button, progress, drawing):
        place.empty()
    compare_resources.keep(key, found)
    return found
