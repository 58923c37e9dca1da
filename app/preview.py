"""The maps of the first picture, computed beforehand: something to look at while torch loads.

`python -m app.preview` writes them anew, after the shipped networks have changed. Nothing here
may import torch, or the page would wait for it all the same.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.strip import strip
from app.text import words

GALLERY = Path(__file__).parent / "gallery"
FIRST_PICTURE = "dalmatian_0002.jpg"  # shown at the start
FILE = GALLERY / "first.json"
KEY = "preview"
CHECKPOINTS = "GSA_CHECKPOINTS"  # as in `gsa.checkpoints`, which imports torch

text = words("look")


def wanted(parameters: dict[str, str]) -> bool:
    """Whether the first maps would keep somebody waiting, and are those of the plain start."""
    plain = not parameters and CHECKPOINTS not in os.environ
    return plain and "torch" not in sys.modules and FILE.is_file()


def draw() -> None:
    """The page as it will be, as far as it is known without the networks."""
    st.html(f"<h1 class='look'>{text['title']}</h1><p class='look'>{text['lead']}</p>")
    left, right = st.columns([5, 12], gap="medium")
    left.image(str(GALLERY / FIRST_PICTURE), width="stretch")
    left.caption(text["starting"])
    with right:
        strip(json.loads(FILE.read_text(encoding="utf-8"))["rows"], "", KEY)


def computed() -> dict[str, Any]:
    """The maps as the page draws them at the start, with the hash of the weights."""
    from app import panels, resources, state
    from app.views.look_maps import strip_rows

    name = resources.twins()["gsa"]
    data = (GALLERY / FIRST_PICTURE).read_bytes()
    seen = resources.seen(name, state.Picture(FIRST_PICTURE, data).digest, data)
    chosen = state.Selection()
    found = panels.all_layers(seen.recording, chosen)
    return {"weights": seen.card.sha256, "rows": strip_rows(found, found[-1].layer, chosen)}


if __name__ == "__main__":
    FILE.write_text(json.dumps(computed(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
