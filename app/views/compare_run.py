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
    *,
    disabled: bool = False,
) -> Any:
    """The kept result, or a button that starts the measurement; None until there is a result.

    Args:
        key: what the result depends on; it is kept under this.
        start: what the button says.
        steps: begins the measurement, which gives (share done, result so far).
        meanwhile: draws a result so far.
        disabled: whether the button is off.
    """
    found = compare_resources.kept(key)
    if found is not None:
        return found
    slot = st.empty()
    if not slot.button(start, type="primary", disabled=disabled, key=f"start {key}"):
        return None
    slot.empty()  # or the browser would keep the button below
    with slot.container():
        bar = st.progress(0.0, text["running"].format(share=0))
        # a click runs the page anew, which ends this loop at its next word to the browser
        st.button(text["cancel"], key=f"cancel {key}")
        drawing = st.empty()
        try:
            for share, found in steps():
                bar.progress(share, text["running"].format(share=share))
                if meanwhile is not None and found is not None:
                    with drawing.container():
                        meanwhile(found)
        except (ValueError, OSError) as error:
            slot.error(text["cannot"].format(error=error))
            return None
    compare_resources.keep(key, found)
    slot.empty()
    return found
