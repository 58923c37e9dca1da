"""Plotly figures of the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures import theme


def large_map(
    weights: NDArray[np.floating], limit: float, cell: tuple[int, int], *, signed: bool
) -> go.Figure:
    """One map with its colour bar; hovering tells row, column and weight.

    Args:
        weights: (y, x).
        limit: |weight| of the strongest colour.
        cell: (row, column) of the place, outlined.
        signed: diverging scale centred on 0, or |weights| from 0.
    """
    shown = weights if signed else np.abs(weights)
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            zmin=-limit if signed else 0,
            zmax=limit,
            colorscale=theme.SIGNED if signed else theme.UNSIGNED,
            colorbar={"thickness": 12, "tickformat": ".2g", "outlinewidth": 0},
            hovertemplate="row %{y}, column %{x}<br>weight %{z:.3g}<extra></extra>",
        )
    )
    row, column = cell
    for colour, width in (("white", 4), ("black", 1.5)):
        figure.add_shape(
            type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
            line={"color": colour, "width": width},
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", scaleanchor="x", constrain="domain", visible=False)
    figure.update_xaxes(constrain="domain", visible=False)
    return _finished(figure, 340)


def ranges(
    layers: Sequence[str], lines: Mapping[str, Sequence[float]], axis: str, layer_axis: str
) -> go.Figure:
    """Mean distance over depth, a line for each branch.

    Args:
        layers: names, in order.
        lines: distances in pixels by the name of the branch.
        axis: title of the distance axis.
        layer_axis: title of the layer axis.
    """
    figure = go.Figure()
    for (name, values), colour in zip(
        lines.items(), (theme.CONTENT, theme.POSITIONAL), strict=False
    ):
        figure.add_scatter(
            x=list(layers), y=list(values), name=name, mode="lines+markers",
            line={"color": colour, "width": 3}, marker={"size": 9},
            hovertemplate="layer %{x}: %{y:.1f} px<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title=axis, rangemode="tozero", gridcolor="rgba(128,128,128,.25)")
    figure.update_xaxes(type="category", title=layer_axis)
    figure.update_layout(legend={"orientation": "h", "y": 1.15})
    return _finished(figure, 340, left=60, bottom=50)


def _finished(figure: go.Figure, height: int, left: int = 10, bottom: int = 10) -> go.Figure:
    return figure.update_layout(
        template=theme.TEMPLATE,
        height=height,
        margin={"l": left, "r": 10, "t": 30, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={**theme.FONT, "color": "#7d7a76"},
        dragmode=False,
    )
