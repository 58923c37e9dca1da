"""The few pieces of the page that Streamlit has no widget for; markup and scripts lie beside."""

from __future__ import annotations

from pathlib import Path

import streamlit as st


def heading(title: str, lead: str = "") -> None:
    """The title of a page and the sentence below it."""
    st.html(f"<h1 class='look'>{title}</h1><p class='look'>{lead}</p>")


def asset(name: str) -> str:
    """The text of a file in this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
