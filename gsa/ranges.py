"""How far a map looks: distances and shares of its |weights|, normalised to sum to 1.

Distances are in pixels of the network input, between cell centres, so layers with grids of
different fineness compare. A region as query is represented by its centre.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from gsa import maps
from gsa.cells import Cells, check_cells
from gsa.files import json_ready
from gsa.maps import Branch, Kind
from gsa.preprocess import Grid
from gsa.record import Array, LayerRecord

# A map whose largest |weight| is below this share of the largest of its branch is not worth a look:
# stretched to full colour it would show the noise of single precision.
PRACTICALLY_ZERO = 1e-6
PLACES = 4  # rows and columns of queries that `mean_distance` and `mean_even_distance` take


def two_digits(value: float) -> str:
    """A weight or a scale for people to read: two significant digits, rarely an exponent."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.1e}"
    digits = np.format_float_positional(value, 2, unique=False, fractional=False, trim="-")
    return digits.rstrip(".")


@dataclass(frozen=True)
class RangeMeasures:
    """Range measures of one map; all shares are of the total |weight|.

    `effective_pixels` counts pixels of the layer's grid, which everything else here calls cells.
    A map without any weight has NaN everywhere.
    """

    mean_distance: float  # pixels
    radius_50: float  # pixels; the smallest circle round the query with at least 50 % of |weight|
    radius_90: float  # pixels
    effective_pixels: float  # cells: exp(entropy) of the normalised |weights|, 1 to all cells
    left: float  # share of |weight| in columns left of the query
    right: float
    above: float
    below: float
    row: float  # share of |weight| in the query's own rows
    column: float  # share of |weight| in the query's own columns
    negative: float  # share of |weight| that is negative

    @property
    def anisotropy(self) -> float:
        """Share of |weight| beside the query over that above or below it; 1 for a round map."""
        upright = self.above + self.below
        return (self.left + self.right) / upright if upright else float("nan")

    def to_dict(self) -> dict[str, float | None]:
        """The fields as JSON-ready values; a figure that does not exist becomes None."""
        return json_ready(asdict(self))


def distances(cells: Cells, grid: Grid) -> Array:
    """Distance of each cell's centre from the query's centre, in pixels: (y, x)."""
    tall, wide = grid.cell
    row = (cells.top + cells.bottom - 1) / 2
    column = (cells.left + cells.right - 1) / 2
    return np.hypot(
        (np.arange(grid.rows)[:, None] - row) * tall,
        (np.arange(grid.columns)[None, :] - column) * wide,
    )


def even_distance(cells: Cells, grid: Grid) -> float:
    """Mean distance in pixels of a map whose cells all weigh the same, to compare others with."""
    return float(distances(cells, grid).mean())


def radii(share: Array, distance: Array, parts: Sequence[float]) -> list[float]:
    """The radius of the smallest circle that holds each part of a map.

    Args:
        share: a map that is nowhere negative and sums to 1.
        distance: from the circle's centre, of the same shape.
        parts: from 0 to 1.
    """
    order = np.argsort(distance, axis=None, kind="stable")
    reached = np.cumsum(share.ravel()[order])
    # the sum may end an ulp below 1, so the last cell is the most that can be needed
    at = np.searchsorted(reached, np.asarray(parts) - 1e-12).clip(max=reached.size - 1)
    return [float(each) for each in distance.ravel()[order][at]]


def measure(weights: Array, cells: Cells, grid: Grid) -> RangeMeasures:
    """Range measures of a map.

    Args:
        weights: (y, x), signed or not.
        cells: the query.
        grid: the geometry of the map's cells.

    Raises:
        ValueError: if the map does not have the grid's shape, or `cells` leaves it.
    """
    weights = np.asarray(weights)
    if weights.shape != (grid.rows, grid.columns):
        raise ValueError(
            f"the map has shape {weights.shape}; its grid is {grid.rows} x {grid.columns}."
        )
    check_cells(cells, weights.shape, "the map")
    size = np.abs(weights.astype(np.float64))
    total = size.sum()
    if not total > 0:
        return RangeMeasures(*[math.nan] * len(fields(RangeMeasures)))
    share = size / total
    distance = distances(cells, grid)
    radius_50, radius_90 = radii(share, distance, (0.5, 0.9))
    positive = share[share > 0]
    return RangeMeasures(
        mean_distance=float((share * distance).sum()),
        radius_50=radius_50,
        radius_90=radius_90,
        effective_pixels=float(np.exp(-(positive * np.log(positive)).sum())),
        left=float(share[:, : cells.left].sum()),
        right=float(share[:, cells.right :].sum()),
        above=float(share[: cells.top].sum()),
        below=float(share[cells.bottom :].sum()),
        row=float(share[cells.top : cells.bottom].sum()),
        column=float(share[:, cells.left : cells.right].sum()),
        negative=float(share[weights < 0].sum()),
    )


def measure_heads(layer: LayerRecord, kind: Kind, cells: Cells, grid: Grid) -> list[RangeMeasures]:
    """Range measures of each head's map.

    Raises:
        ValueError: for a kind that is none, if the layer lacks a branch of it, or if `cells` leaves
            its grid.
    """
    return [measure(weights, cells, grid) for weights in maps.branch_map(layer, kind, cells)]


def over_queries(
    layer: LayerRecord, branch: Branch, grid: Grid, step: int = 1
) -> Iterator[tuple[tuple[int, int], list[RangeMeasures]]]:
    """Range measures of each head at every `step`-th row and column of queries.

    Yields:
        ((row, column), measures of the heads), one query at a time, so no N x N matrix is held.
    """
    for row, column in _queries(grid, step):
        yield (row, column), measure_heads(layer, branch, Cells.at(row, column), grid)


def _queries(grid: Grid, step: int) -> Iterator[tuple[int, int]]:
    """(row, column) of every `step`-th row and column."""
    for row in range(min(step // 2, (grid.rows - 1) // 2), grid.rows, step):
        for column in range(min(step // 2, (grid.columns - 1) // 2), grid.columns, step):
            yield row, column


def _apart(grid: Grid) -> int:
    """The step between queries of which there are at most `PLACES` x `PLACES`."""
    return math.ceil(max(grid.rows, grid.columns) / PLACES)


def mean_distance(layer: LayerRecord, branch: Branch, grid: Grid) -> float:
    """Mean over the heads and `PLACES` x `PLACES` queries, in pixels; NaN if no map has weight."""
    queries = over_queries(layer, branch, grid, _apart(grid))
    return mean([measures for _, heads in queries for measures in heads]).mean_distance


def mean_distances(layer: LayerRecord, branch: Branch, grid: Grid) -> list[float]:
    """As `mean_distance`, of each head."""
    queries = [heads for _, heads in over_queries(layer, branch, grid, _apart(grid))]
    return [mean(list(of_head)).mean_distance for of_head in zip(*queries, strict=True)]


def mean_even_distance(grid: Grid) -> float:
    """`mean_distance` of maps whose cells all weigh the same: over the same queries, in pixels."""
    queries = _queries(grid, _apart(grid))
    return float(np.mean([even_distance(Cells.at(*query), grid) for query in queries]))


SPREAD = {"p10": 10, "median": 50, "p90": 90}  # percentiles over queries


def spread(measures: list[RangeMeasures]) -> dict[str, dict[str, float]]:
    """Percentiles of each figure over several maps; maps without weight do not count.

    Returns:
        By figure and percentile, such as `["mean_distance"]["p90"]`; empty if no map has weight.
    """
    weighted = [asdict(each) for each in measures if not np.isnan(each.mean_distance)]
    return {
        name: {
            key: float(np.percentile([each[name] for each in weighted], percent))
            for key, percent in SPREAD.items()
        }
        for name in (weighted[0] if weighted else ())
    }


def mean(measures: list[RangeMeasures]) -> RangeMeasures:
    """The mean of each figure over several maps; maps without weight do not count."""
    table = np.array([list(asdict(each).values()) for each in measures])  # (maps, figures)
    weighted = table[~np.isnan(table).any(axis=1)]
    if not len(weighted):
        return measures[0]
    return RangeMeasures(*(float(value) for value in weighted.mean(axis=0)))
