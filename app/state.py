"""The one list of what a session remembers.

Only this file writes `st.session_state`. What must outlive a widget is kept under keys of our own;
widgets have keys of their own, listed in `app.widgets`, and hand over in callbacks.
"""

from __future__ import annotations

import gc
import hashlib
import time
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from app.selection import (
    OWN,
    PAIR,
    QUESTION,
    Section,
    Selection,
    Source,
    from_parameters,
    to_parameters,
)
from app.widgets import Widget

_SELECTION = "selection"
_PICTURE = "picture"
_OWN = "own"
_COMPLAINT = "complaint"
_KEPT = "kept"
_WRITTEN = "written"
_BEGUN = "begun"
_SEEN = "seen"
_MOVING = "moving"
_LINK = "link"
_LINK_COMPLAINT = "link_complaint"
_PAGE = "page"
_ARRIVED = "arrived"
_ASKED = "asked"
_READ = "read"
_TIDIED = "tidied"
_SETTLED = 1.5  # seconds after which the browser has the address that was written last


_REMEMBERED = (
    Widget.compare_weights,
    Widget.compare_point,
    Widget.compare_layer,
    Widget.compare_colours,
    Widget.compare_cost_kind,
    Widget.compare_cost_device,
    Widget.compare_cost_figure,
    Widget.compare_stress_test,
    Widget.compare_probe_task,
    Widget.compare_probe_steps,
    *(
        f"{which}_{what}"
        for which in (Widget.compare_right, Widget.compare_stress)
        for what in ("folder", "count")
    ),
)


@dataclass(frozen=True)
class Picture:
    """A picture file, known by the hash of its bytes."""

    name: str
    data: bytes
    source: Source = "upload"
    gallery: str = ""  # its name in the gallery; empty for a user's own picture

    @property
    def digest(self) -> str:
        """sha256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def link_name(self) -> str:
        """What the address bar calls it; of an own picture a sign that this session knows."""
        return self.gallery or f"{OWN}{self.digest[:8]}"


def selection() -> Selection:
    """What is looked at now; at the start of a session, what the link says."""
    if _SELECTION not in st.session_state:
        _read_link()
    return st.session_state[_SELECTION]


def _read_link() -> None:
    """Select what the address bar says, as far as its form goes; the rest is for `unchecked`."""
    st.session_state[_LINK] = st.query_params.to_dict()
    st.session_state[_SELECTION] = from_parameters(st.session_state[_LINK])


def unchecked_link() -> dict[str, str]:
    """The parameters of a link that was read and not compared with what there is; else none."""
    selection()
    return st.session_state.get(_LINK, {})


def check_link(fitting: Selection, said: str) -> None:
    """Select what there is of the link that was read, and keep what is to be said of it."""
    st.session_state[_SELECTION] = fitting
    if st.session_state.pop(_LINK, None) is not None:
        st.session_state[_LINK_COMPLAINT] = said


def link_complaint() -> str:
    """What was wrong with the link; empty if nothing, or once something else is chosen."""
    return st.session_state.get(_LINK_COMPLAINT, "")


def select(chosen: Selection) -> None:
    """Look at something else."""
    for outdated in (_MOVING, _LINK_COMPLAINT):
        st.session_state.pop(outdated, None)
    st.session_state[_SELECTION] = chosen


def change(**fields: object) -> None:
    """Change what is looked at."""
    select(replace(selection(), **fields))  # type: ignore[arg-type]


def hold_link() -> None:
    """Say that more changes follow at once, until the next: the link waits for the last of them."""
    st.session_state[_MOVING] = True


def read_before(section: Section) -> Section:
    """The section that was read before this one; this one where there was none."""
    last: tuple[Section, Section] = st.session_state.get(_READ, (section, section))
    if last[1] != section:
        last = last[1], section
    st.session_state[_READ] = last
    return last[0]


def take(field: str, key: str) -> None:
    """Change what is looked at to what a widget says; a callback."""
    change(**{field: widget_value(key)})


def picture() -> Picture | None:
    """The last good picture."""
    return st.session_state.get(_PICTURE)


def show(chosen: Picture) -> None:
    """Make a picture, which is known to open, the current one."""
    st.session_state[_PICTURE] = chosen
    if not chosen.gallery:
        st.session_state[_OWN] = chosen
    for outdated in (_COMPLAINT, _LINK_COMPLAINT):
        st.session_state.pop(outdated, None)


def own_picture(link_name: str) -> Picture | None:
    """The last picture of the visitor's own, if an address means that one."""
    own: Picture | None = st.session_state.get(_OWN)
    return own if own and own.link_name == link_name else None


def complain(sentence: str) -> None:
    """Remember why the last picture was refused."""
    st.session_state[_COMPLAINT] = sentence


def complaint() -> str:
    """Why the last picture was refused; empty if it was not."""
    return st.session_state.get(_COMPLAINT, "")


def widget_value(key: str) -> Any:
    """The value a widget holds; None before it is drawn."""
    return st.session_state.get(key)


def prepare_widget(key: str, value: object) -> None:
    """Give a widget its start value, unless it has one."""
    if key not in st.session_state:
        st.session_state[key] = value


def set_widget(key: str, value: object) -> None:
    """Make a widget show what the selection says; before it is drawn, or from a callback."""
    st.session_state[key] = value


def kept(key: str) -> Any:
    """What `keep` kept; None if nothing."""
    return st.session_state.get(_KEPT, {}).get(key)


def keep(key: str, value: object) -> None:
    """Keep a result of this session, one at a time."""
    st.session_state[_KEPT] = {key: value}


def begin(work: str, key: str) -> None:
    """Remember that a result is being made, until `end`; one of each work at a time."""
    st.session_state[f"{_BEGUN} {work}"] = key


def begun(work: str) -> str:
    """The key of the result that was begun, and neither finished nor stopped; empty if none is."""
    return str(st.session_state.get(f"{_BEGUN} {work}", ""))


def end(work: str) -> None:
    """The work is finished, has failed, or is not to go on."""
    st.session_state.pop(f"{_BEGUN} {work}", None)


def is_first(key: str) -> bool:
    """Whether this session asks for something for the first time."""
    seen: set[str] = st.session_state.setdefault(_SEEN, set())
    first = key not in seen
    seen.add(key)
    return first


def tidy() -> None:
    """Drop what visitors who are gone brought with them, once in each session.

    Streamlit's sessions are cycles, which only a collection frees; with torch loaded, Python makes
    one by itself after hours. It takes a quarter of a second, so a page is drawn first.
    """
    if _TIDIED not in st.session_state:
        st.session_state[_TIDIED] = True
        gc.collect()


def linked_picture() -> str:
    """The picture that the link names; empty if it names none."""
    return str(st.query_params.get("picture", ""))


def write_link() -> None:
    """Put the state into the address bar.

    Each new address is one more that the browser's Back returns to, so a place that keys are still
    moving is not written: a run of key presses is one step back.
    """
    if st.session_state.get(_MOVING):
        return
    current = picture()
    wanted = to_parameters(selection(), current.link_name if current else "")
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
        before, _ = st.session_state.get(_WRITTEN, ({}, 0.0))
        if before != wanted:  # else the moment would begin anew with each Back within it
            st.session_state[_WRITTEN] = wanted, time.monotonic()


def follow_link() -> bool:
    """Take over the state of the address bar where the visitor went back to another one.

    An address that differs may also be the one before a change that has not reached the browser
    yet, so for a moment after each change it is not followed.

    Returns:
        Whether it was taken over.
    """
    if _WRITTEN not in st.session_state:
        return False
    wanted, since = st.session_state[_WRITTEN]
    now = st.query_params.to_dict()
    if now == wanted or "picture" not in now or time.monotonic() - since < _SETTLED:
        return False
    for key, name in vars(Widget).items():
        if not key.startswith("_") and key != "source":
            st.session_state.pop(name, None)
    _read_link()
    st.session_state[_WRITTEN] = now, time.monotonic()
    return True


def show_page(title: str) -> None:
    """Note which page is shown, and whether this run comes to it from another."""
    st.session_state[_ARRIVED] = st.session_state.get(_PAGE, title) != title
    st.session_state[_PAGE] = title
    for key in _REMEMBERED:  # which Streamlit would drop where their page or section is not drawn
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def asked() -> dict[str, str]:
    """What the address of the Compare page names of its question and its pair, which is selected.

    For a moment after `ask` the address may be the one before. Whoever comes from another page,
    with an address that names neither, finds the question that was asked last, and the pair of
    that page.
    """
    for name in (QUESTION, PAIR):  # the Look page has no question, and the pair is judged here
        unchecked_link().pop(name, None)
    before, since = st.session_state.get(_ASKED, ({}, -_SETTLED))
    said = {name: st.query_params[name] for name in (QUESTION, PAIR) if name in st.query_params}
    if st.session_state.get(_ARRIVED) and not said:
        last = {QUESTION: before.get(QUESTION, ""), PAIR: selection().pair}
        said = {name: value for name, value in last.items() if value}
        if said:
            st.query_params.update(said)
            st.session_state[_ASKED] = said, time.monotonic()
        return said
    if time.monotonic() - since < _SETTLED:
        return before
    st.session_state[_ASKED] = said, -_SETTLED  # for who comes back to it
    if said.get(PAIR, "") != selection().pair:
        change(pair=said.get(PAIR, ""))
    return said


def ask(name: str, key: str) -> None:
    """Put what a widget says, the question or the pair, into the address; a callback."""
    said = {name: str(widget_value(key))}
    if name == PAIR:
        change(**said)
    st.query_params.update(said)
    before, _ = st.session_state.get(_ASKED, ({}, 0.0))
    st.session_state[_ASKED] = {**before, **said}, time.monotonic()
