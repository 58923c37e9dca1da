"""The way of one value through the two steps of the positional branch, and the scores on it."""

from __future__ import annotations

from dataclasses import dataclass

from gsa.cells import Cells, check_in_layer
from gsa.maps import required
from gsa.record import Array, LayerRecord


@dataclass(frozen=True, eq=False)
class Path:
    """How the value of a source pixel (i, j) reaches a query (a, b) through the positional branch.

    There is one way: the column step carries it to pixel (a, j) of the query's row, the row step
    from there to the query. `weight` is the product of the two scores.
    """

    via: tuple[int, int]  # (a, j)
    column_q: Array  # (h, d), q(a, j)
    column_r: Array  # (d,), r_c[i - a]
    row_q: Array  # (h, d), q(a, b)
    row_r: Array  # (d,), r_r[j - b]

    @property
    def column_score(self) -> Array:
        """(h,), q(a, j) · r_c[i - a]."""
        return self.column_q @ self.column_r

    @property
    def row_score(self) -> Array:
        """(h,), q(a, b) · r_r[j - b]."""
        return self.row_q @ self.row_r

    @property
    def weight(self) -> Array:
        """(h,), before the gain that each value channel puts on it."""
        return self.row_score * self.column_score


def two_step_path(layer: LayerRecord, query: tuple[int, int], source: tuple[int, int]) -> Path:
    """The path from `source` (row, column) to `query` (row, column) of a layer's grid.

    Raises:
        ValueError: if either lies outside, or the layer lacks one of the steps.
    """
    for cell in (query, source):
        check_in_layer(Cells.at(*cell), layer)
    (a, b), (i, j) = query, source
    rows, columns = layer.shape
    return Path(
        via=(a, j),
        column_q=layer.q[:, :, a, j],
        column_r=required(layer.r_c, layer, "column step")[i - a + rows - 1],
        row_q=layer.q[:, :, a, b],
        row_r=required(layer.r_r, layer, "row step")[j - b + columns - 1],
    )
