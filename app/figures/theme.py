"""Colours, sizes and layout of every figure, the one place that knows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

# as in `gsa.figures`, which imports torch; a test compares them
SIGNED = "PuOr_r"  # purple below zero, orange above: safe for colour-blind viewers
UNSIGNED = "Cividis"
UNKNOWN = "#a8a6a3"  # of cells of which nothing is known: in neither scale
CONTENT = "#b35806"
POSITIONAL = "#7f6fb5"
CONV = "#4575b4"
LIGHT_CONTENT = "#dd8a3c"  # where the content branch stands beside the whole module
DENSE = "#1b7837"
# of lines that stand for no network and no branch (Okabe and Ito 2008)
SERIES = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")  # of the same, besides
BORDER = "#ff7f50"  # of what a unit can see at all: plain on every colour of the maps
# of words and of lines to compare with: contrast 4.2 on light and dark pages, the most that one
# colour can have on both
QUIET = "#7d7a76"
_GRID = "rgba(128,128,128,.25)"
_CLEAR = "rgba(0,0,0,0)"
_TOLD = 16
TEMPLATE = "none"  # not the one that importing streamlit sets
FONT = {"family": "Source Sans, sans-serif", "size": 14}


def lookup(name: str) -> NDArray[np.uint8]:
    """A colour scale as 256 RGB rows."""
    colours = sample_colorscale(get_colorscale(name), np.linspace(0, 1, 256).tolist())
    return np.array([unlabel_rgb(colour) for colour in colours]).round().astype(np.uint8)


def in_words(figure: go.Figure, title: str) -> str:
    """The title and the values of all lines with a name, of long ones every n-th.

    Where lines of several networks have one name, `meta` of a line tells its network.
    """
    said = []
    for trace in figure.data:
        points = list(zip(trace.x, trace.y, strict=False)) if trace.type == "scatter" else []
        if trace.name and points:
            told = points[:: math.ceil(len(points) / _TOLD)]
            values = ", ".join(f"{_short(x)}: {_short(y)}" for x, y in told if y is not None)
            said.append(f"{trace.name}{f' ({trace.meta})' if trace.meta else ''}: {values}")
    return ". ".join([title, *said])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def intervals(
    shares: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> dict[str, object]:
    """Bars from the low to the high end of the interval of each share."""
    return {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 5,
        "array": np.subtract(high, shares).tolist(),
        "arrayminus": np.subtract(shares, low).tolist(),
    }  # fmt: skip


def finished(figure: go.Figure, x_title: str, y_title: str, height: int = 340) -> go.Figure:
    """The figure with titles, grid and layout; a value axis begins at zero where it can."""
    figure.update_xaxes(title=x_title, gridcolor=_GRID)
    figure.update_yaxes(title=y_title, gridcolor=_GRID)
    if figure.layout.yaxis.type != "log":
        figure.update_yaxes(rangemode="tozero")
    return figure.update_layout(
        template=TEMPLATE,
        height=height,
        margin={"l": 60, "r": 10, "t": 30, "b": 50},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        font={**FONT, "color": QUIET},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        dragmode=False,
        hovermode="closest",
    )
