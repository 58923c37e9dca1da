"""From a recording and a selection to the maps that the page draws, with all their figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.selection import Selection
from gsa import contributions, maps, ranges
from gsa.cells import Cells
from gsa.contributions import MapOf
from gsa.maps import Branch, Kind
from gsa.preprocess import Grid
from gsa.proofs import Proof, prove
from gsa.ranges import PRACTICALLY_ZERO, RangeMeasures, measure, spread
from gsa.record import Array, LayerRecord, Recording

PLACES = 8  # along each side, where figures are taken over all places
KEYS = 6  # key maps that are drawn of a head
Drawn = Kind | Literal["key"]


@dataclass(frozen=True)
class Panel:
    """A map of one layer and branch, ready to be drawn."""

    layer: str
    branch: Drawn
    heads: str  # as in `Selection.heads`
    shown: NDArray[np.floating]  # (y, x), as `as_shown` makes it of the weights
    signed: bool  # whether what is shown can be negative, as `can_be_negative` says
    limit: float  # |weight| of the strongest colour, above 0
    peak: float  # largest |shown|
    nothing: float  # a peak up to which a map of its branch is called practically zero
    cells: Cells  # the place
    grid: Grid
    measures: RangeMeasures  # of the weights, or of the contributions where they are shown
    # of a branch with all its heads, at the place
    share: float = 1.0  # in the layer's output
    constant: float = 0.0  # in the positional output, what comes from no cell
    root: bool = (
        False  # colours go by the square root: a few contributions are far above the others
    )

    @property
    def zero(self) -> bool:
        """Whether it is too small beside the other maps of its branch to be drawn."""
        return self.peak <= self.nothing

    @property
    def box(self) -> list[float]:
        """[left, top, width, height] of the place as shares of the picture."""
        rows, columns = self.grid.rows, self.grid.columns
        return [
            self.cells.left / columns,
            self.cells.top / rows,
            (self.cells.right - self.cells.left) / columns,
            (self.cells.bottom - self.cells.top) / rows,
        ]


def combine(weights: Array, heads: str) -> Array:
    """(h, y, x) to (y, x), as `Selection.heads` says; a head that is not there gives the mean."""
    if heads == "absolute":
        return maps.mean_absolute_over_heads(weights)
    if heads == "max":
        return maps.max_absolute_over_heads(weights)
    if heads.isdigit() and int(heads) < len(weights):
        return weights[int(heads)]
    return maps.mean_over_heads(weights)


def all_layers(recording: Recording, chosen: Selection) -> list[Panel]:
    """The map of the chosen place in every layer and branch, content first in each layer."""
    found = [
        _combined(recording, name, branch, chosen)
        for name in recording.layers
        for branch in maps.branches(recording[name])
    ]
    return _scaled(found, chosen.scale)


def one_layer(recording: Recording, layer: str, chosen: Selection) -> list[Panel]:
    """The map of every head of a layer, for each branch and their sum in one order of heads.

    It is that of the first branch by mean distance over places of the picture, the nearest first,
    so that a head stands in one column, wherever the chosen place is.
    """
    rows = []
    for branch in maps.kinds(recording[layer]):
        heads = _head_maps(recording, layer, branch, chosen)
        rows.append(
            [_panel(recording, layer, branch, chosen, heads, str(h)) for h in range(len(heads))]
        )
    first, grid = maps.branches(recording[layer])[0], recording.grid(layer)
    distances = np.nan_to_num(ranges.mean_distances(recording[layer], first, grid))
    order = np.argsort(distances, kind="stable")
    return _scaled([row[head] for row in rows for head in order], chosen.scale)


def keys(
    recording: Recording, name: str, head: int, chosen: Selection
) -> list[tuple[int, float, Panel]]:
    """The maps ρ(k) of a head with most say at the chosen place: channel, its q there, map.

    A head's content map is the sum of its key maps, each times its channel of the query.
    """
    layer, plain = recording[name], replace(chosen, value="weight")
    rho = maps.key_maps(layer)  # (h, d, y, x)
    q = chosen.cells(recording.grid(name)).of(layer.q[head]).mean(axis=(-2, -1))
    most = np.argsort(-np.abs(q) * rho[head].max(axis=(1, 2)), kind="stable")[:KEYS]
    return [
        (int(d), float(q[d]), _panel(recording, name, "key", plain, rho[:, d], str(head)))
        for d in most
    ]


def shown(recording: Recording, name: str, branch: Branch, chosen: Selection, heads: str) -> Panel:
    """The map of the chosen place in one layer and branch, at a scale of its own.

    As in `all_layers`: beside the other layers it may be practically zero.
    """
    chosen = replace(chosen, heads=heads)
    of_branch = [
        _combined(recording, each, branch, chosen)
        for each in recording.layers
        if branch in maps.branches(recording[each])
    ]
    return next(panel for panel in _scaled(of_branch, "own") if panel.layer == name)


def with_map(panel: Panel, weights: Array, value: str) -> Panel:
    """The same panel with another map (y, x), shown as `Selection.value` says.

    NaN is a cell of which nothing is known: it has no colour and no part in the measures. The map
    is practically zero where one of the panel's own branch would be.
    """
    shown = as_shown(weights, value)
    peak = float(np.nanmax(np.abs(shown)))
    return replace(
        panel,
        shown=shown,
        peak=peak,
        limit=peak or 1.0,
        measures=measure(np.nan_to_num(weights), panel.cells, panel.grid),
    )


def as_shown(weights: Array, value: str) -> Array:
    """Weights (y, x), their sizes, or how far they are from their mean, by `Selection.value`."""
    if value == "absolute":
        return np.abs(weights)
    return weights - np.nanmean(weights) if value == "deviation" else weights


def can_be_negative(value: str, heads: str) -> bool:
    """Whether a quantity has a sign, and so a scale of two directions.

    By the quantity and not by the map at hand: one weight below zero, or one place further on,
    must not change what a colour says.

    Args:
        value: as `Selection.value`.
        heads: as `Selection.heads`.
    """
    return value == "deviation" or (value == "weight" and heads not in ("absolute", "max"))


def first_layer(recording: Recording) -> str:
    """The layer that is shown before one was chosen: the first of the second stage.

    Its maps are fine enough for shapes and coarse enough for a cell to be clicked; where there is
    no such layer, the last.
    """
    names = list(recording.layers)
    return next((name for name in names if name.startswith("2.")), names[-1])


def proof(recording: Recording, chosen: Selection) -> tuple[Proof, int]:
    """The worst proof over all layers and branches at the chosen place, and how many there are.

    Of the maps in the direction that is shown.
    """
    proofs = [
        prove(recording[name], branch, chosen.cells(recording.grid(name)), chosen.direction)
        for name in recording.layers
        for branch in maps.branches(recording[name])
    ]
    return Proof.worst(proofs), len(proofs)


def map_of(chosen: Selection) -> MapOf:
    """What is computed of a layer: weights or contributions, from the place or back to it."""
    if chosen.value == "contribution":
        both = contributions.contribution_map, contributions.reverse_contribution_map
    else:
        both = maps.branch_map, maps.reverse_map
    return both[chosen.direction == "to"]


def everywhere(
    recording: Recording, name: str, branch: Branch, chosen: Selection
) -> dict[str, dict[str, float]]:
    """Percentiles of the range measures over places spread evenly over a layer's grid.

    At most `PLACES` x `PLACES` of them; by figure and percentile, as `gsa.ranges.spread` says.
    """
    of = map_of(chosen)
    grid = recording.grid(name)
    found = []
    for row in spread_out(grid.rows):
        for column in spread_out(grid.columns):
            cells = Cells.at(row, column)
            weights = combine(of(recording[name], branch, cells), chosen.heads)
            found.append(measure(weights, cells, grid))
    return spread(found)


def spread_out(count: int) -> list[int]:
    """Up to `PLACES` indices from 0 to count - 1, at even distances."""
    return sorted({int((at + 0.5) * count / PLACES) for at in range(PLACES)})


def finest_grid(recording: Recording) -> Grid:
    """The grid with most cells, which the picker snaps to."""
    grids = [recording.grid(name) for name in recording.layers]
    return max(grids, key=lambda grid: grid.rows * grid.columns)


def _head_maps(recording: Recording, name: str, branch: Kind, chosen: Selection) -> Array:
    return map_of(chosen)(recording[name], branch, chosen.cells(recording.grid(name)))


def _combined(recording: Recording, name: str, branch: Branch, chosen: Selection) -> Panel:
    """The map of all heads together, with the branch's shares."""
    heads = _head_maps(recording, name, branch, chosen)
    panel = _panel(recording, name, branch, chosen, heads, chosen.heads)
    layer = recording[name]
    return replace(
        panel,
        share=maps.branch_share(layer, branch, panel.cells),
        constant=_constant(layer, panel.cells) if branch == "positional" else 0.0,
    )


def _panel(
    recording: Recording, name: str, branch: Drawn, chosen: Selection, weights: Array, heads: str
) -> Panel:
    grid = recording.grid(name)
    cells = chosen.cells(grid)
    combined = combine(weights, heads)
    shown = as_shown(combined, chosen.value)
    peak = float(np.abs(shown).max())
    return Panel(
        layer=name,
        branch=branch,
        heads=heads,
        shown=shown,
        signed=branch != "key" and can_be_negative(chosen.value, heads),
        limit=peak,
        peak=peak,
        nothing=0.0,
        cells=cells,
        grid=grid,
        measures=measure(combined, cells, grid),
        root=branch != "key" and chosen.value == "contribution",
    )


def _constant(layer: LayerRecord, cells: Cells) -> float:
    share = contributions.constant_share(layer, cells)
    return share if math.isfinite(share) else 0.0  # the branch puts out nothing at all


def _scaled(panels: Sequence[Panel], scale: str) -> list[Panel]:
    """Give each panel the limit of its group; say which are practically zero."""
    strongest: dict[str, float] = {}
    for panel in panels:
        strongest[panel.branch] = max(strongest.get(panel.branch, 0.0), panel.peak)
    largest: dict[tuple[str, ...], float] = {}
    panels = [
        replace(panel, nothing=PRACTICALLY_ZERO * strongest[panel.branch]) for panel in panels
    ]
    groups = [_group(panel, scale) for panel in panels]
    for panel, group in zip(panels, groups, strict=True):
        largest[group] = max(largest.get(group, 0.0), panel.peak)
    return [
        # where there is nothing to colour, any limit will do
        replace(panel, limit=largest[group] or 1.0)
        for panel, group in zip(panels, groups, strict=True)
    ]


def _group(panel: Panel, scale: str) -> tuple[str, ...]:
    if scale == "all":
        return ()
    if scale == "layer":
        return (panel.layer,)
    return panel.layer, panel.branch, panel.heads
