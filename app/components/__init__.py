"""The few pieces of the page that Streamlit has no widget for; markup and scripts lie beside."""

from __future__ import annotations

from pathlib import Path


def asset(name: str) -> str:
    """The text of a file in this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
