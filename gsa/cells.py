"""Places on the grid of a layer: single cells and rectangles of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gsa.preprocess import Grid
from gsa.record import Array, LayerRecord

_HAIR = 1e-2  # of a cell


@dataclass(frozen=True)
class Cells:
    """A rectangle of grid cells, half open: rows top to bottom - 1, columns left to right - 1."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        for name, edge in vars(self).items():
            if not isinstance(edge, int | np.integer):
                raise ValueError(f"`{name}` (={edge!r}) of a rectangle of cells must be whole.")
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(
                f"a rectangle of cells needs 0 <= top < bottom and 0 <= left < right; got rows "
                f"{self.top} to {self.bottom}, columns {self.left} to {self.right}."
            )

    @classmethod
    def at(cls, row: int, column: int) -> Cells:
        """One cell."""
        return cls(row, column, row + 1, column + 1)

    @classmethod
    def over(cls, grid: Grid, top: float, left: float, bottom: float, right: float) -> Cells:
        """The cells that a rectangle touches, at least one; edges in pixels of the input.

        Raises:
            ValueError: for a rectangle that ends before it begins.
        """
        if bottom < top or right < left:
            raise ValueError(
                f"a rectangle must not end before it begins; got rows {top:g} to {bottom:g}, "
                f"columns {left:g} to {right:g}."
            )
        tall, wide = grid.cell
        # an edge that lies on a cell's edge but for rounding does not touch the next cell
        first_row = min(math.floor(top / tall + _HAIR), grid.rows - 1)
        first_column = min(math.floor(left / wide + _HAIR), grid.columns - 1)
        return cls(
            first_row,
            first_column,
            max(math.ceil(bottom / tall - _HAIR), first_row + 1),
            max(math.ceil(right / wide - _HAIR), first_column + 1),
        )

    def of(self, values: Array) -> Array:
        """The cells of an array whose last axes are y, x: (..., rows, columns)."""
        return values[..., self.top : self.bottom, self.left : self.right]


def check_cells(cells: Cells, shape: tuple[int, int], of: str) -> None:
    """ValueError if these are no rectangle of cells, such as a pair, or leave the grid `of` it."""
    if not isinstance(cells, Cells):
        raise ValueError(
            f"`cells` (={cells!r}) must be of type `gsa.Cells`; one cell is "
            "`gsa.Cells.at(row, column)`."
        )
    rows, columns = shape
    if cells.bottom > rows or cells.right > columns:
        raise ValueError(
            f"rows {cells.top} to {cells.bottom}, columns {cells.left} to {cells.right} must lie "
            f"in the {rows} x {columns} grid of {of}."
        )


def check_in_layer(cells: Cells, layer: LayerRecord) -> None:
    """As `check_cells`, for the grid of a layer."""
    check_cells(cells, layer.shape, f"layer {layer.name}")
