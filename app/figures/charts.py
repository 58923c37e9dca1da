"""Plotly figures of the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.figures import theme


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
    figure.update_xaxes(type="category", title=layer_axis, gridcolor="rgba(128,128,128,.25)")
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
