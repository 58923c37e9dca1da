"""How every measurement of the Compare page is started, shown while it runs, stopped and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from app import compare_results, state
from app.compare_files import Measurement
from app.compare_resources import Fields
from app.text import words
from app.widgets import Widget

text = words("compare")

Steps = Iterator[tuple[float, Any]]
KINDS = {"json": "application/json", "npz": "application/octet-stream"}  # of files


def measured(
    measurement: Measurement,
    start: str,
    steps: Callable[[], Steps],
    as_data: Callable[[Any], Any],
    meanwhile: Callable[[Any], None] | None = None,
    *,
    at_once: bool = False,
) -> Any:
    """The kept result, or a button that starts the measurement; None until there is a result.

    Args:
        measurement: what the result depends on; it is kept under its key.
        start: what the button says.
        steps: begins the measurement, which gives (share done, result so far).
        as_data: a result as JSON-ready values, for a file.
        meanwhile: draws a result so far.
        at_once: one of few seconds, which starts by itself the first time that a session wants it;
            the button is for a visitor who cancelled it.
    """
    key = measurement.key
    work = f"measurement {key}"  # several may have been left before their end
    found, again_key = compare_results.kept(key), f"{Widget.compare_again} {key}"
    again = bool(state.widget_value(again_key))  # all keep the result there is until a new one is
    if found is not None and not again:
        state.end(work)
        with st.container(horizontal=True, gap="medium"):
            st.button(text["again"], type="tertiary", icon=":material/refresh:", key=again_key)
            _file(measurement, "json", lambda: measurement.json_bytes(as_data(found)))
            if isinstance(found, Fields):  # the one result that has maps
                _file(measurement, "npz", lambda: measurement.npz_bytes(found.maps()))
        return found
    if compare_results.is_running_elsewhere(key):
        _awaited(key)
        return None
    start_key = f"{Widget.compare_start} {key}"
    first = at_once and state.is_first(key)
    # known before the button is drawn: it must not stay beside what it started
    if not (again or first or state.widget_value(start_key)):
        st.button(start, type="primary", key=start_key)
        if state.begun(work) == key:  # and neither finished nor cancelled
            st.caption(text["broken_off"])
        return None
    state.begin(work, key)
    bar, cancel = st.progress(0.0, text["running"].format(share=0)), st.empty()
    # a click runs the page anew, which ends the loop below at its next word to the browser; that
    # is so outside of fragments alone
    cancel.button(
        text["cancel"],
        key=f"{Widget.compare_cancel} {key}",
        on_click=state.end,
        args=(work,),
    )
    drawing = st.empty()
    try:
        with compare_results.claimed(key) as ours:
            if not ours:  # another session was sooner by a moment: await it, as if not begun
                state.end(work)
                st.rerun()
            for share, found in steps():
                bar.progress(min(share, 1.0), text["running"].format(share=share))
                if meanwhile is not None and found is not None:
                    with drawing.container():
                        meanwhile(found)
            compare_results.keep(key, found)
    except (ValueError, OSError) as error:
        for place in (bar, cancel, drawing):
            place.empty()
        state.end(work)
        st.error(text["cannot"].format(error=error))
        st.button(start, type="primary", key=start_key)
        return None
    except Exception:  # Streamlit's own ends of a run are none
        state.end(work)
        raise
    return st.rerun()  # which finds the result, draws it, and ends the measurement


@st.fragment(run_every=2)
def _awaited(key: str) -> None:
    """Say that another session measures this; draw the page anew when that has come to an end."""
    st.info(text["elsewhere"], icon=":material/hourglass_top:")
    if not compare_results.is_running_elsewhere(key):
        st.rerun()


def _file(measurement: Measurement, kind: str, make: Callable[[], bytes]) -> None:
    """A button for a file of a result, which is made when it is pressed."""
    st.download_button(
        text["files"][kind],
        data=make,
        file_name=measurement.file_name(kind),
        mime=KINDS[kind],
        type="tertiary",
        icon=":material/download:",
        key=f"{Widget.compare_file} {kind} {measurement.key}",
        on_click="ignore",
    )
