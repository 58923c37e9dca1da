"""The first maps of the gallery's pictures, computed beforehand: to look at while torch loads.

`python -m app.make_preview` writes them anew, after the shipped networks have changed. Nothing here
may import torch, or the page would wait for it all the same.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import streamlit as st

from app import gallery
from app.components import heading
from app.components.strip import strip
from app.text import words

KEY = "preview"
# as in `gsa.checkpoints`, which imports torch
CHECKPOINTS = "GSA_CHECKPOINTS"
SHIPPED = Path(__file__).parent.parent / "checkpoints"

text = words("look")


def file(picture: str) -> Path:
    """Where the maps of a gallery picture lie."""
    return (gallery.FOLDER / picture).with_suffix(".json")


def wanted(parameters: dict[str, str]) -> str:
    """The gallery picture whose first maps would keep somebody waiting; empty if there is none.

    Args:
        parameters: of the link; one that asks for more than a picture has other maps.
    """
    name = parameters.get("picture", gallery.FIRST)
    plain = not parameters.keys() - {"picture"} and CHECKPOINTS not in os.environ
    there = plain and "torch" not in sys.modules and name in gallery.titles()
    return name if there and file(name).is_file() and _is_of_these_weights(name) else ""


def _is_of_these_weights(picture: str) -> bool:
    """Whether no other weights have been put in the place of those the maps were made with."""
    try:
        kept = json.loads(file(picture).read_text(encoding="utf-8"))
        card = json.loads((SHIPPED / f"{kept['checkpoint']}.json").read_text(encoding="utf-8"))
        return bool(card["sha256"] == kept["weights"])
    except (OSError, ValueError, LookupError):
        return False


def draw(picture: str) -> None:
    """The page as it will be, as far as it is known without the networks."""
    heading(text["title"], text["lead"])
    left, right = st.columns([5, 12], gap="medium")
    title = gallery.titles()[picture]
    left.image(str(gallery.FOLDER / picture), width="stretch", alt=title)
    left.caption(text["starting"])
    with right:
        strip(json.loads(file(picture).read_text(encoding="utf-8"))["rows"], "", KEY)
