"""Plotly figures of the app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from app.figures import theme

_LINES = (theme.CONTENT, theme.POSITIONAL, theme.CONV)


def ranges(
    layers: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    bands: Mapping[str, Sequence[Mapping[str, float]]],
    even: tuple[str, Sequence[float]],
    band: str,
    axis: str,
    layer_axis: str,
) -> go.Figure:
    """Mean distance over depth, a line for each branch, and behind it a band over all places.

    Args:
        layers: names, in order.
        lines: distances in pixels by the name of the branch.
        bands: of the same branches, for each layer the `p10` and `p90` over many places.
        even: name and distances of a dotted line for comparison.
        band: name of a band, with `{branch}` in it.
        axis: title of the distance axis.
        layer_axis: title of the layer axis.
    """
    figure = go.Figure()
    names = list(layers)
    for (name, values), colour in zip(lines.items(), _LINES, strict=False):
        low, high = ([each.get(key) for each in bands[name]] for key in ("p10", "p90"))
        figure.add_scatter(
            x=names + names[::-1], y=high + low[::-1], fill="toself", opacity=0.25,
            fillcolor=colour, line={"width": 0}, hoverinfo="skip", mode="lines",
            name=band.format(branch=name),
        )  # fmt: skip
        _line(figure, name, names, values, colour, "layer %{x}: %{y:.1f} px")
    _line(figure, even[0], names, even[1], theme.QUIET, "layer %{x}: %{y:.1f} px", dash="dot")
    figure.update_xaxes(type="category")
    return theme.finished(figure, layer_axis, axis)


def depth(lines: Mapping[str, Mapping[str, float]], axis: str, layer_axis: str) -> go.Figure:
    """A share for each layer, a line for each network, GSA first.

    Args:
        lines: shares by layer by the name of the network.
        axis: title of the share's axis.
        layer_axis: title of the layer axis.
    """
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), (theme.CONTENT, theme.CONV), strict=True):
        _line(figure, name, list(values), list(values.values()), colour, "layer %{x}: %{y:.0%}")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".0%")
    return theme.finished(figure, layer_axis, axis, height=260)


def alike(
    lines: Mapping[str, tuple[str, str, Mapping[str, float | None]]], axis: str, layer_axis: str
) -> go.Figure:
    """Correlations of two maps over depth.

    Args:
        lines: by name: colour, dash as plotly names it, and correlations by layer, None for a gap.
        axis: title of the correlation axis.
        layer_axis: title of the layer axis.
    """
    figure = go.Figure()
    for name, (colour, dash, values) in lines.items():
        _line(figure, name, list(values), list(values.values()), colour, "%{x}: r = %{y:.2f}", dash)
    least = min(
        (r for _, _, each in lines.values() for r in each.values() if r is not None), default=0
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[min(0.0, least) - 0.05, 1.05])
    return theme.finished(figure, layer_axis, axis)


def by_radius(
    radii: Sequence[float],
    lines: Mapping[str, tuple[str, str, Iterable[float]]],
    axis: str,
    value_axis: str,
) -> go.Figure:
    """A probability against a radius, each radius at the same distance from the next.

    Args:
        radii: in pixels.
        lines: by the name of the experiment, at most four: the colour of its network, the dash of
            what is done to it, as plotly names them, and probabilities.
        axis: title of the radius axis.
        value_axis: title of the probability axis.
    """
    figure = go.Figure()
    names = [f"{radius:.0f}" for radius in radii]
    for name, (colour, dash, values) in lines.items():
        _line(figure, name, names, list(values), colour, "%{x} px: %{y:.0%}", dash)
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return theme.finished(figure, axis, value_axis, height=400)


def deletion(
    curves: Mapping[str, tuple[Iterable[float], Iterable[float]]],
    controls: Sequence[str],
    top: float,
    axis: str,
    value_axis: str,
) -> go.Figure:
    """Probability while pixels are removed, a line for each method.

    Args:
        curves: shares of pixels and probabilities by the method's name, in the order of colours.
        controls: names of what the methods are held against, drawn in grey; at most three.
        top: the largest probability, of all charts that stand side by side.
        axis: title of the share's axis.
        value_axis: title of the probability axis.
    """
    figure = go.Figure()
    looks = zip(theme.SERIES, theme.SYMBOLS, strict=True)
    methods = [name for name in curves if name not in controls]
    styles = {
        name: (colour, "solid", symbol)
        for name, (colour, symbol) in zip(methods, looks, strict=False)
    }
    for name, dash in zip(controls, ("solid", "dot", "dash"), strict=False):
        styles[name] = (theme.QUIET, dash, "line-ew")
    for name, (shares, values) in curves.items():
        colour, dash, symbol = styles[name]
        figure.add_scatter(
            x=list(shares), y=list(values), name=name, mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash}, marker={"symbol": symbol, "size": 6},
            hovertemplate=f"%{{x:.0%}} removed: %{{y:.2~p}}<extra>{name}</extra>",
        )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", range=[0, 1.02], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1])
    figure.update_yaxes(tickformat=".2~p", range=[0, min(1.02, max(1.15 * top, 1e-4))])
    return theme.finished(figure, axis, value_axis, height=430)


def passed(
    shares: Mapping[str, tuple[str, Mapping[str, tuple[float, float, float]]]],
    axis: str,
    value_axis: str,
) -> go.Figure:
    """Shares with their intervals, of each method for each network.

    Args:
        shares: by the name of the network: its colour, and by the method's name the share and the
            two ends of its interval.
        axis: title of the axis of methods.
        value_axis: title of the axis of shares.
    """
    figure = go.Figure()
    for name, (colour, methods) in shares.items():
        values, low, high = ([each[end] for each in methods.values()] for end in range(3))
        figure.add_scatter(
            x=list(methods), y=values, name=name, mode="markers",
            marker={"color": colour, "size": 10}, error_y=theme.intervals(values, low, high),
            offsetgroup=name, hovertemplate="%{x}: %{y:.0%}<extra>" + name + "</extra>",
            cliponaxis=False,
        )  # fmt: skip
    figure.update_xaxes(type="category", automargin=True)  # on a phone names are aslant
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_layout(scattermode="group", scattergap=0.7)
    return theme.finished(figure, axis, value_axis)


def _line(
    figure: go.Figure,
    name: str,
    x: Sequence[str],
    y: Sequence[float | None],
    colour: str,
    hover: str,
    dash: str = "solid",
) -> None:
    figure.add_scatter(
        x=list(x), y=list(y), name=name, mode="lines+markers",
        line={"color": colour, "width": 3, "dash": dash}, marker={"size": 8},
        hovertemplate=hover + "<extra>" + name + "</extra>",
    )  # fmt: skip
