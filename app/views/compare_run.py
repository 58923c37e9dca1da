"""How every measurement of the Compare page is started, shown while it runs, stopped and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from app import compare_resources, state
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
        state.end("measurement")
        st.button(
            text["again"],
            type="tertiary",
            icon=":material/refresh:",
            key=f"again {key}",
            on_click=compare_resources.forget,
            args=(key,),
        )
        return found
    start_key = f"start {key}"
    # known before the button is drawn: it must not stay beside what it started
    if not state.widget_value(start_key):
        st.button(start, type="primary", key=start_key)
        if state.is_begun("measurement", key):  # and neither finished nor cancelled
            st.caption(text["broken_off"])
        return None
    state.begin("measurement", key)
    bar, cancel = st.progress(0.0, text["running"].format(share=0)), st.empty()
    # a click runs the page anew, which ends the loop below at its next word to the browser; that
    # is so outside of fragments alone
    cancel.button(text["cancel"], key=f"cancel {key}", on_click=state.end, args=("measurement",))
    drawing = st.empty()
    try:
        for share, found in steps():
            bar.progress(min(share, 1.0), text["running"].format(share=share))
            if meanwhile is not None and found is not None:
                with drawing.container():
                    meanwhile(found)
    except (ValueError, OSError) as error:
        for place in (bar, cancel, drawing):
            place.empty()
        state.end("measurement")
        st.error(text["cannot"].format(error=error))
        st.button(start, type="primary", key=start_key)
        return None
    except Exception:  # Streamlit's own ends of a run are none
        state.end("measurement")
        raise
    compare_resources.keep(key, found)
    return st.rerun()  # which finds the result, draws it, and ends the measurement
