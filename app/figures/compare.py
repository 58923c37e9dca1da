"""Charts of twins side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import plotly.graph_objects as go

from app.figures import theme

COLOURS = {
    "gsa": theme.CONTENT,
    "conv": theme.CONV,
    "content": theme.LIGHT_CONTENT,
    "positional": theme.POSITIONAL,
    "dense": theme.DENSE,
    "even": theme.QUIET,
    "mixed": theme.POSITIONAL,
}
_DASHES = {"content": "dot", "positional": "dash"}
_MARGIN = 0.02  # above and below curves of a share
_SHADE = 0.15  # of the first of several shaded parts
_LARGEST = 22  # of dots that are as large as their number, pixels of the page across


def over_depth(
    layers: Sequence[str],
    lines: Mapping[str, tuple[str, Sequence[float], bool]],
    axis: str,
    layer_axis: str,
) -> go.Figure:
    """Pixels against layers.

    Args:
        layers: names, in order.
        lines: by name: the key of its colour in `COLOURS`, values in pixels, whether dotted.
        axis: title of the value axis.
        layer_axis: title of the layer axis.
    """
    figure = go.Figure()
    for name, (key, values, dotted) in lines.items():
        figure.add_scatter(
            x=list(layers), y=list(values), name=name, mode="lines+markers",
            line={"color": COLOURS[key], "width": 3, "dash": "dot" if dotted else "solid"},
            marker={"size": 8}, hovertemplate="layer %{x}: %{y:.1f} px<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(type="category")
    return theme.finished(figure, layer_axis, axis)


def growth(
    series: Mapping[str, tuple[str, Sequence[float], Sequence[float]]], size_axis: str, axis: str
) -> go.Figure:
    """Costs against the side of the input, both axes logarithmic.

    Args:
        series: by name: the key of its colour in `COLOURS`, sides in pixels, costs.
        size_axis: title of the axis of sides.
        axis: title of the cost axis.
    """
    figure = go.Figure()
    sides = sorted({side for _, sizes, _ in series.values() for side in sizes})
    for name, (key, sizes, values) in series.items():
        figure.add_scatter(
            x=list(sizes), y=list(values), name=name, mode="lines+markers",
            line={"color": COLOURS[key], "width": 3, "dash": _DASHES.get(key, "solid")},
            marker={"size": 8}, hovertemplate="%{x} px: %{y:.3g}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(type="log", tickvals=sides, ticktext=[f"{side:g}" for side in sides])
    figure.update_yaxes(type="log", tickformat="~g", dtick=1)
    return theme.finished(figure, size_axis, axis, height=400)


def against(
    lines: Mapping[str, tuple[str, Sequence[str], Sequence[tuple[float, float, float]]]],
    axis: str,
    value_axis: str,
    levels: Mapping[str, float] = MappingProxyType({}),
    shaded: Sequence[tuple[str, float, float]] = (),
) -> go.Figure:
    """Shares with their intervals against steps that are drawn equally far apart.

    Args:
        lines: by name: the key of its colour in `COLOURS`, the steps, and for each the share and
            the two ends of its interval.
        axis: title of the axis of steps.
        value_axis: title of the axis of shares.
        levels: heights of lines for comparison by their names.
        shaded: parts of the axis of steps, each darker than the one before: name, start and end,
            where the first step is at 0 and the next at 1.
    """
    figure = go.Figure()
    for depth, (name, start, end) in enumerate(shaded, start=1):
        figure.add_vrect(
            x0=start, x1=end, name=name, showlegend=True, layer="below", line_width=0,
            fillcolor=theme.QUIET, opacity=_SHADE * depth,
        )  # fmt: skip
    for name, (key, steps, shares) in lines.items():
        table = np.array(shares, dtype=float).reshape(-1, 3)
        figure.add_scatter(
            x=list(steps), y=table[:, 0].tolist(), name=name, mode="lines+markers",
            line={"color": COLOURS[key], "width": 3}, marker={"size": 8},
            error_y=theme.intervals(*table.T),
            hovertemplate="%{x}: %{y:.0%}<extra>" + name + "</extra>",
        )  # fmt: skip
    for name, height in levels.items():
        figure.add_hline(
            y=height, line={"dash": "dot", "color": theme.QUIET}, annotation_text=name,
            annotation_position="bottom left",  # lines come down to the level at the right
        )  # fmt: skip
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".0%", range=[0, 1.05])
    return theme.finished(figure, axis, value_axis)


def over_epochs(
    lines: Mapping[str, tuple[str, Sequence[tuple[int, float]]]],
    axis: str,
    epoch_axis: str,
    *,
    share: bool,
) -> go.Figure:
    """How training went, a line for each network.

    Args:
        lines: by the name of the network: the key of its colour in `COLOURS`, and (epoch, value)
            in order.
        axis: title of the value axis.
        epoch_axis: title of the epoch axis.
        share: whether values are shares, from 0 to 1.
    """
    figure = go.Figure()
    said = "%{y:.1%}" if share else "%{y:.2f}"
    for name, (key, points) in lines.items():
        figure.add_scatter(
            x=[epoch for epoch, _ in points], y=[value for _, value in points], name=name,
            mode="lines", line={"color": COLOURS[key], "width": 2.5},
            hovertemplate=f"%{{x}}: {said}<extra>{name}</extra>",
        )  # fmt: skip
    if share:  # curves that lie close together far from zero are told apart
        values = [value for _, points in lines.values() for _, value in points]
        low, high = max(0.0, min(values) - _MARGIN), min(1.0, max(values) + _MARGIN)
        figure.update_yaxes(tickformat=".0%", range=[low, high])
    return theme.finished(figure, epoch_axis, axis, height=280)


def calibration(
    lines: Mapping[str, tuple[str, Sequence[tuple[float, float, float, float, int]]]],
    axis: str,
    value_axis: str,
    ideal: str,
    *,
    joined: bool,
) -> go.Figure:
    """How often answers are right against how sure the network was of them.

    Args:
        lines: by name: the key of its colour in `COLOURS`, and for each bin the mean confidence,
            the share of right answers, the ends of its interval, and the number of answers, which
            is the area of its dot.
        axis: title of the axis of confidence.
        value_axis: title of the axis of shares.
        ideal: name of the diagonal.
        joined: whether lines go from dot to dot; not where the dots are too uncertain for a course.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], name=ideal, mode="lines", hoverinfo="skip",
        line={"color": theme.QUIET, "dash": "dot", "width": 1.5},
    )  # fmt: skip
    most = max((each[4] for _, bins in lines.values() for each in bins), default=1)
    for name, (key, bins) in lines.items():
        confidence, right, low, high, counts = (list(each) for each in zip(*bins, strict=True))
        figure.add_scatter(
            x=confidence, y=right, name=name, customdata=counts,
            mode="lines+markers" if joined else "markers",
            line={"color": COLOURS[key], "width": 3},
            marker={
                "color": COLOURS[key], "size": counts, "sizemode": "area", "sizemin": 4,
                "sizeref": most / _LARGEST**2,
            },
            error_y=theme.intervals(right, low, high), cliponaxis=False,
            hovertemplate="%{x:.0%} sure, %{y:.0%} right, %{customdata} pictures"
            "<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_layout(legend_itemsizing="constant")  # not those of the first, smallest dots
    return theme.finished(figure, axis, value_axis)
