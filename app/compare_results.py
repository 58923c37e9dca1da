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
def claimed(key: str) -> Iterator[bool]:
    """Say that this session measures something while the block runs, unless another does already.

    Yields:
        Whether it is this one's to measure. Asked and said in one, since a class that opens a link
        asks at the same time.
    """
    runs, lock = _running()
    run = key, _session()
    with lock:
        free = not _elsewhere(runs, run)
        if free:
            runs.append(run)
    try:
        yield free
    finally:
        if free:
            with lock:
                runs.remove(run)


def is_running_elsewhere(key: str) -> bool:
    """Whether another session measures this now.

    A run of this one that was cancelled may go on to its next word to the browser; it is not meant.
    """
    runs, lock = _running()
    with lock:
        return _elsewhere(runs, (key, _session()))


def _elsewhere(runs: list[tuple[str, str]], own: tuple[str, str]) -> bool:
    return any(key == own[0] and session != own[1] for key, session in runs)


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
