"""The results that the Compare page keeps.

Finished results are kept under short strings and shared by all sessions, since they depend on
networks and pictures alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_KEPT = 128


@st.cache_resource(show_spinner=False)
def _store() -> tuple[OrderedDict[str, Any], threading.Lock]:
    return OrderedDict(), threading.Lock()


@st.cache_resource(show_spinner=False)
def _running() -> tuple[list[tuple[str, str]], threading.Lock]:
    return [], threading.Lock()  # (measurement, session), one for each run


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""


@contextmanager
def running(key: str) -> Iterator[None]:
    """Say that this session measures something while the block runs."""
    runs, lock = _running()
    run = key, _session()
    with lock:
        runs.append(run)
    try:
        yield
    finally:
        with lock:
            runs.remove(run)


def is_running_elsewhere(key: str) -> bool:
    """Whether another session measures this now.

    A run of this one that was cancelled may go on to its next word to the browser; it is not meant.
    """
    runs, lock = _running()
    with lock:
        return any(run[0] == key and run[1] != _session() for run in runs)


def kept(key: str) -> Any:
    """A finished result; None if there is none."""
    results, lock = _store()
    with lock:
        if key in results:
            results.move_to_end(key)
        return results.get(key)


def keep(key: str, value: Any) -> None:
    """Keep a finished result, and forget the one that was not asked for longest."""
    results, lock = _store()
    with lock:
        results[key] = value
        while len(results) > _KEPT:
            results.popitem(last=False)
