"""The maps of the first picture, computed beforehand: something to look at while torch loads.

`python -m app.make_preview` writes them anew, after the shipped networks have changed. Nothing here
may import torch, or the page would wait for it all the same.
"""

from __future__ import annotations

import json
import os
import sys

import streamlit as st

from app import gallery
from app.components import heading
from app.components.strip import strip
from app.text import words

FILE = gallery.FOLDER / "first.json"
KEY = "preview"
CHECKPOINTS = "GSA_CHECKPOINTS"  # as in `gsa.checkpoints`, which imports torch

text = words("look")


def wanted(parameters: dict[str, str]) -> bool:
    """Whether the first maps would keep somebody waiting, and are those of the plain start."""
    plain = not parameters and CHECKPOINTS not in os.environ
    return plain and "torch" not in sys.modules and FILE.is_file()


def draw() -> None:
    """The page as it will be, as far as it is known without the networks."""
    heading(text["title"], text["lead"])
    left, right = st.columns([5, 12], gap="medium")
    left.image(str(gallery.FOLDER / gallery.FIRST), width="stretch")
    left.caption(text["starting"])
    with right:
        strip(json.loads(FILE.read_text(encoding="utf-8"))["rows"], "", KEY)
