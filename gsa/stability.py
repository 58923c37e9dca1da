"""Is a map stable, and is it special? Its companions, laid over it cell by cell.

A map that means something should follow the picture when that is mirrored or moved by a cell, and
should not be what an untrained network, shuffled weights or the mere edges of the picture give.
Beside the map of another place it shows what belongs to the place and what to the picture.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gsa.cells import Cells
from gsa.contributions import MapOf
from gsa.maps import Branch, branch_map
from gsa.preprocess import Grid
from gsa.record import Array, Recording


def spacing(grid: Grid) -> tuple[int, int]:
    """Pixels (down, across) between the middles of neighbouring cells of a layer.

    Every stride of a `ResNet` is 2, so it is the smallest power of two by which the pixels, divided
    and rounded up, are the cells.
    """
    sides = (grid.height, grid.rows), (grid.width, grid.columns)
    down, across = (2 ** math.ceil(math.log2(pixels / cells)) for pixels, cells in sides)
    return down, across


def mirrored(x: Tensor, across: int) -> Tensor:
    """Pictures (b, 3, rows, columns) with left and right exchanged, then moved as by `moved`."""
    return moved(x.flip(-1), 0, across)


def turn_of(cells: Cells, grid: Grid) -> int:
    """Pixels by which a mirrored picture is moved across, for a layer and a place on its grid.

    Strides take every n-th pixel, from the first one. Mirrored alone, the picture would have others
    there, n - 1 pixels off; moved, it has the same. (Average pooling, on the way through the blocks
    that stride, joins pixels by twos, which lie half a cell off then.) To the right the first
    column of cells is lost, so a place in that column makes it move to the left, by up to a cell,
    and the last one is lost.
    """
    every = spacing(grid)[1]
    right = (1 - grid.width) % every
    return right if not right or cells.left else right - every


def moved(x: Tensor, down: int, across: int) -> Tensor:
    """Pictures moved by whole pixels; what comes in repeats the edge.

    Raises:
        ValueError: if nothing of the picture would be left.
    """
    height, width = x.shape[-2:]
    if abs(down) >= height or abs(across) >= width:
        raise ValueError(f"a move by ({down}, {across}) leaves the {height} x {width} pixels.")
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    columns = (torch.arange(width) - across).clamp(0, width - 1)
    return x[..., rows[:, None], columns]


def mirrored_map(
    recording: Recording,
    layer: str,
    branch: Branch,
    cells: Cells,
    of: MapOf = branch_map,
) -> Array:
    """The map of the same place in the mirrored picture, mirrored back.

    Args:
        recording: of `mirrored(x, turn_of(cells, grid))`.
        layer: name.
        branch: content or positional.
        cells: the place in the picture as it was.
        of: which map.

    Returns:
        (h, y, x); NaN in the column that left the picture, if one did.
    """
    across = turn_of(cells, recording.grid(layer))
    lost = int(across > 0)
    end = recording[layer].shape[1] + lost
    there = Cells(cells.top, end - cells.right, cells.bottom, end - cells.left)
    back = shifted(of(recording[layer], branch, there)[..., ::-1], 0, lost)
    if across < 0:  # most of the last column's pixels were cut off
        back[..., -1] = np.nan
    return back


def step_of(cells: Cells, shape: tuple[int, int]) -> tuple[int, int]:
    """One cell (down, across), towards where the place stays on a grid of (rows, columns).

    0 along an axis that the place fills: there it cannot move.
    """
    sides = ((cells.top, cells.bottom, shape[0]), (cells.left, cells.right, shape[1]))
    down, across = (1 if end < size else -int(start > 0) for start, end, size in sides)
    return down, across


def moved_map(
    recording: Recording,
    layer: str,
    branch: Branch,
    cells: Cells,
    step: tuple[int, int],
    of: MapOf = branch_map,
) -> Array:
    """The map of the same place in the picture moved by a cell, moved back.

    Args:
        recording: of `moved(x, ...)` by the pixels of `step`.
        layer: name.
        branch: content or positional.
        cells: the place in the picture as it was.
        step: (down, across) in cells of the layer.
        of: which map.

    Returns:
        (h, y, x); NaN in the row and column that left the picture.
    """
    down, across = step
    there = Cells(cells.top + down, cells.left + across, cells.bottom + down, cells.right + across)
    return shifted(of(recording[layer], branch, there), -down, -across)


def shifted(weights: Array, down: int, across: int) -> Array:
    """A map (..., y, x) moved by whole cells, fewer than it has; NaN where nothing comes in."""
    there = np.roll(weights, (down, across), axis=(-2, -1))
    rows, columns = weights.shape[-2:]
    # a step of 0 leaves nothing out: both slices are empty then
    there[..., slice(0, down) if down > 0 else slice(rows + down, rows), :] = np.nan
    there[..., slice(0, across) if across > 0 else slice(columns + across, columns)] = np.nan
    return there


def correlation(first: Array, second: Array) -> float:
    """Pearson's correlation of two maps over the cells that both have.

    NaN where one of them is the same everywhere: it has no shape to compare.
    """
    both = np.isfinite(first) & np.isfinite(second)
    a, b = (each[both].astype(np.float64) for each in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / size) if size > 0 else float("nan")
