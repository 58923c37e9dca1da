"""The one list of what a session remembers, and of what a link carries.

Only this file writes `st.session_state`. What must outlive a widget is kept under keys of our own;
widgets have keys of their own, listed in `Widget`, and hand over in callbacks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, get_args

import streamlit as st

Heads = str  # "mean", "absolute", "max", or a head's number from 0
Direction = Literal["from", "to"]
Scale = Literal["own", "layer", "all"]
Value = Literal["weight", "deviation"]

# what a link may say; a list, since text that looks like a number need not be one ("²")
_HEADS = ("mean", "absolute", "max", *map(str, range(64)))
_SELECTION = "selection"
_PICTURE = "picture"
_COMPLAINT = "complaint"


class Widget:
    """Keys of the widgets."""

    source = "widget_source"
    gallery = "widget_gallery"
    upload = "widget_upload"
    camera = "widget_camera"
    picker = "widget_picker"
    strip = "widget_strip"
    detail = "widget_detail"
    heads = "widget_heads"
    direction = "widget_direction"
    value = "widget_value"
    scale = "widget_scale"
    beneath = "widget_beneath"


@dataclass(frozen=True)
class Picture:
    """A picture file, known by the hash of its bytes."""

    name: str
    data: bytes
    gallery: str = ""  # its name in the gallery; empty for a user's own picture

    @property
    def digest(self) -> str:
        """sha256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Selection:
    """What is looked at. All of it can travel in a link."""

    row: float = 0.5  # the place, as a share of the height of what the network sees
    column: float = 0.5  # and of its width
    layer: str = ""  # empty: the page chooses
    heads: Heads = "mean"
    direction: Direction = "from"
    value: Value = "weight"
    scale: Scale = "own"
    beneath: bool = False

    def place(self, height: int, width: int) -> tuple[float, float]:
        """(row, column) in pixels of a network input."""
        return min(self.row * height, height - 0.01), min(self.column * width, width - 0.01)


def selection() -> Selection:
    """What is looked at now; at the start of a session, what the link says."""
    if _SELECTION not in st.session_state:
        st.session_state[_SELECTION] = from_parameters(st.query_params.to_dict())
    return st.session_state[_SELECTION]


def change(**fields: object) -> None:
    """Change what is looked at."""
    st.session_state[_SELECTION] = replace(selection(), **fields)  # type: ignore[arg-type]


def picture() -> Picture | None:
    """The last good picture."""
    return st.session_state.get(_PICTURE)


def show(chosen: Picture) -> None:
    """Make a picture, which is known to open, the current one."""
    st.session_state[_PICTURE] = chosen
    st.session_state.pop(_COMPLAINT, None)


def complain(sentence: str) -> None:
    """Remember why the last picture was refused."""
    st.session_state[_COMPLAINT] = sentence


def complaint() -> str:
    """Why the last picture was refused; empty if it was not."""
    return st.session_state.get(_COMPLAINT, "")


def widget_value(key: str) -> object:
    """The value a widget holds; None before it is drawn."""
    return st.session_state.get(key)


def prepare_widget(key: str, value: object) -> None:
    """Give a widget its start value, unless it has one."""
    if key not in st.session_state:
        st.session_state[key] = value


def linked_picture() -> str:
    """The gallery picture that the link names; empty if it names none."""
    return str(st.query_params.get("picture", ""))


def from_parameters(parameters: dict[str, str]) -> Selection:
    """The selection of a link; what it lacks or gets wrong is as at the start."""
    start = Selection()

    def share(name: str, otherwise: float) -> float:
        try:
            value = float(parameters.get(name, ""))
        except ValueError:
            return otherwise
        return value if 0 <= value <= 1 else otherwise

    heads = parameters.get("heads", start.heads)
    direction = parameters.get("direction", start.direction)
    value = parameters.get("value", start.value)
    scale = parameters.get("scale", start.scale)
    return Selection(
        row=share("row", start.row),
        column=share("column", start.column),
        layer=parameters.get("layer", start.layer),
        heads=heads if heads in _HEADS else start.heads,
        direction=direction if direction in get_args(Direction) else start.direction,  # type: ignore[arg-type]
        value=value if value in get_args(Value) else start.value,  # type: ignore[arg-type]
        scale=scale if scale in get_args(Scale) else start.scale,  # type: ignore[arg-type]
        beneath=parameters.get("beneath") == "1",
    )


def to_parameters(chosen: Selection, gallery: str) -> dict[str, str]:
    """The parameters of a link; a user's own picture stays with the user, so it has no link."""
    if not gallery:
        return {}
    parameters = {
        "picture": gallery,
        "row": f"{chosen.row:.3f}",
        "column": f"{chosen.column:.3f}",
    }
    start = Selection()
    for name in ("layer", "heads", "direction", "value", "scale"):
        if getattr(chosen, name) != getattr(start, name):
            parameters[name] = getattr(chosen, name)
    if chosen.beneath:
        parameters["beneath"] = "1"
    return parameters


def write_link() -> None:
    """Put the state into the address bar."""
    current = picture()
    wanted = to_parameters(selection(), current.gallery if current else "")
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
