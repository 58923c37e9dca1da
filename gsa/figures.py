"""Figures for papers, notebooks and the command line, drawn with matplotlib and no display.

Signed maps use a diverging scale centred on 0, safe for colour-blind readers, and every panel
prints the number its scale ends at. Cells are drawn as they are, without smoothing. Figures are
made without pyplot, so threads do not share state.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from gsa import maps
from gsa.cells import Cells
from gsa.files import said
from gsa.ranges import PRACTICALLY_ZERO, RangeMeasures, measure, two_digits
from gsa.record import Array, Recording

_LEGEND = (
    "Square: the place. Above each map: where its colours end, ± where what is drawn has a sign. "
    "Below: mean distance from the place, in pixels of the network's input"
)
_ROWS = {
    "content": "content branch", "positional": "positional branch", "sum": "sum of both",
}  # fmt: skip
_TITLE_LETTERS, _LEGEND_LETTERS = 12.5, 18  # that fit into an inch
_LETTERS = 26  # that fit above a map
_SIDE, _GAP, _FOOT = 1.45, 0.1, 0.2  # inches: width of a map, between two, and below each
SIGNED = "PuOr_r"  # orange positive, purple negative
UNSIGNED = "cividis"
UNKNOWN = "#a8a6a3"  # of cells of which nothing is known


@dataclass(frozen=True)
class Panel:
    """A map ready to be drawn."""

    layer: str
    branch: str  # content, positional or sum
    weights: Array  # (y, x)
    cells: Cells  # the query
    measures: RangeMeasures
    title: str = ""  # above the map; by default its layer
    limit: float | None = None  # |weight| of the strongest colour; None: the map's own largest
    signed: bool = True  # colours for both signs; False: of sizes, which have none
    root: bool = False  # of maps without a sign, colours by the square root
    zero: bool | None = None  # too small to be drawn; None: where it is so beside others of its row


def place_panels(
    recording: Recording,
    place: tuple[float, float],
    layers: list[str] | None = None,
    head: int | None = None,
) -> list[Panel]:
    """The maps of one place in all layers and branches.

    Args:
        recording: of a network with GSA layers.
        place: (row, column) in pixels of the network input; snapped to a cell in each layer.
        layers: names; by default all.
        head: from 0; by default the signed mean over the heads.

    Raises:
        ValueError: if the place is outside the picture, or there is no such layer or head.
    """
    panels = []
    for name in layers or list(recording.layers):
        layer, grid = recording[name], recording.grid(name)
        if head is not None and not 0 <= head < layer.heads:
            raise ValueError(f"`head` (={head}) must be from 0 to {layer.heads - 1}.")
        cells = Cells.at(*grid.cell_at(*place))
        for branch in maps.branches(layer):
            heads = maps.branch_map(layer, branch, cells)
            weights = maps.mean_over_heads(heads) if head is None else heads[head]
            measures = measure(weights, cells, grid)
            panels.append(Panel(name, branch, weights, cells, measures))
    return panels


def legend_of(even: Sequence[float]) -> str:
    """What squares and numbers of maps of a place are.

    Args:
        even: `gsa.ranges.even_distance` of each map.
    """
    least, most = round(min(even)), round(max(even))
    span = f"{least}" if least == most else f"{least} to {most}"
    return f"{_LEGEND}; it would be {span} if all cells counted alike."


def strip(
    crop: Image.Image,
    panels: list[Panel],
    title: str = "",
    legend: str = f"{_LEGEND}.",
    names: Mapping[str, str] = MappingProxyType({}),
) -> Figure:
    """A row of maps for each branch, the picture in front.

    Args:
        crop: what the network saw.
        panels: at least one, such as those from `place_panels`; a row keeps their order.
        title: above the figure, broken into lines as they fit.
        legend: below it, likewise, such as what `legend_of` says.
        names: of rows, by their branch, other than those of branches.
    """
    rows: dict[str, list[Panel]] = {}
    for panel in panels:
        rows.setdefault(panel.branch, []).append(panel)
    columns = max(map(len, rows.values()), default=0)
    width = (_SIDE + _GAP) * (columns + 1)
    above = "\n".join(_wrapped(title, _TITLE_LETTERS * width))
    below = "\n".join(_wrapped(legend, _LEGEND_LETTERS * width))
    # all in inches: what stands round the maps decides how tall the figure is
    head = 0.13 * max(len(_title(panel)) + 1 for panel in panels) + 0.1
    top, bottom = 0.17 * above.count("\n") + 0.25, 0.13 * below.count("\n") + 0.2
    tall = _SIDE * crop.height / crop.width
    height = top + len(rows) * (head + tall + _FOOT) + bottom
    figure = Figure(figsize=(width, height), dpi=150)
    finest = max(panels, key=lambda panel: panel.weights.size)
    axes = figure.subplots(len(rows), columns + 1, squeeze=False)
    for line, (name, members) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set_axis_off()
        _draw_picture(line[0], crop, names.get(name, _ROWS.get(name, name)))
        _mark(line[0], finest, crop.height, crop.width)
        largest = max(float(np.abs(panel.weights).max()) for panel in members)
        for axis, panel in zip(line[1:], members, strict=False):
            _draw_map(axis, panel, largest)
    figure.suptitle(above, y=1 - 0.04 / height, va="top", fontsize=9, parse_math=False)
    figure.text(0.01, 0.04 / height, below, fontsize=6.5, va="bottom", parse_math=False)
    figure.subplots_adjust(
        left=_GAP / 2 / width,
        right=1 - _GAP / 2 / width,
        bottom=(bottom + _FOOT) / height,
        top=1 - (top + head) / height,
        wspace=_GAP / _SIDE,
        hspace=(head + _FOOT) / tall,
    )
    return figure


def _wrapped(text: str, letters: float) -> list[str]:
    """The lines of a text, none longer than so many letters; what UTF-8 has not becomes `?`."""
    return [line for part in said(text).splitlines() for line in textwrap.wrap(part, int(letters))]


def _draw_picture(axis: Axes, crop: Image.Image, caption: str) -> None:
    axis.imshow(np.asarray(crop), extent=(0, crop.width, crop.height, 0))
    axis.set_title(caption, fontsize=8)


def _mark(axis: Axes, panel: Panel, height: int, width: int) -> None:
    rows, columns = panel.weights.shape
    tall, wide = height / rows, width / columns
    cells = panel.cells
    corner = (cells.left * wide, cells.top * tall)
    size = ((cells.right - cells.left) * wide, (cells.bottom - cells.top) * tall)
    axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=2))
    axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor="black", linewidth=0.8))


def _title(panel: Panel) -> list[str]:
    return _wrapped(panel.title or f"layer {panel.layer}", _LETTERS)


def _draw_map(axis: Axes, panel: Panel, largest: float) -> None:
    rows, columns = panel.weights.shape
    peak = float(np.nanmax(np.abs(panel.weights)))
    zero = peak <= PRACTICALLY_ZERO * largest if panel.zero is None else panel.zero
    limit = panel.limit or peak
    shown = np.zeros_like(panel.weights) if zero else panel.weights
    low = -limit if panel.signed else 0.0
    ends = (-1.0, 1.0) if zero else (low, limit)
    gamma = 0.5 if panel.root and not panel.signed and not zero else 1.0
    colours = colormaps[SIGNED if panel.signed else UNSIGNED]
    axis.imshow(
        shown,
        cmap=colours.with_extremes(bad=UNKNOWN),  # where a weight is NaN
        norm=PowerNorm(gamma, *ends),
        interpolation="nearest",
        extent=(0, columns, rows, 0),
    )
    _mark(axis, panel, rows, columns)
    scale = "practically zero" if zero else f"{'±' if panel.signed else '0 to '}{two_digits(limit)}"
    distance = panel.measures.mean_distance
    axis.set_title("\n".join([*_title(panel), scale]), fontsize=7, parse_math=False)
    if np.isfinite(distance):
        axis.text(
            0.5, -0.04, f"mean distance {distance:.0f} px", transform=axis.transAxes,
            fontsize=7, ha="center", va="top",
        )  # fmt: skip
