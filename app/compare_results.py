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

_KEPT = 128


@st.cache_resource(show_spinner=False)
def _store() -> tuple[OrderedDict[str, Any], threading.Lock]:
    return OrderedDict(), threading.Lock()


@st.cache_resource(show_spinner=False)
def _running() -> tuple[set[str], threading.Lock]:
    return set(), threading.Lock()


@contextmanager
def running(key: str) -> Iterator[bool]:
    """Say that a measurement runs while the block does; False if it does already elsewhere."""
    keys, lock = _running()
    with lock:
        first = key not in keys
        keys.add(key)
    try:
        yield first
    finally:
        if first:
            with lock:
                keys.discard(key)


def is_running(key: str) -> bool:
    """Whether some session measures this now."""
    keys, lock = _running()
    with lock:
        return key in keys


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


def forget(key: str) -> None:
    """Drop a finished result, so that it can be measured again."""
    results, lock = _store()
    with lock:
        results.pop(key, None)
