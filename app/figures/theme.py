"""Colours and sizes of every figure, the one place that knows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

SIGNED = "PuOr_r"  # purple below zero, orange above: safe for colour-blind viewers
UNSIGNED = "Cividis"
CONTENT = "#b35806"
POSITIONAL = "#7f6fb5"
CONV = "#4575b4"
SERIES = ("#b35806", "#4575b4", "#1b7837", "#7f6fb5", "#888888", "#c51b7d")
TEMPLATE = "none"  # not the one that importing streamlit sets
FONT = {"family": "Source Sans, sans-serif", "size": 14}


def lookup(name: str) -> NDArray[np.uint8]:
    """A colour scale as 256 RGB rows."""
    colours = sample_colorscale(get_colorscale(name), np.linspace(0, 1, 256).tolist())
    return np.array([unlabel_rgb(colour) for colour in colours]).round().astype(np.uint8)
