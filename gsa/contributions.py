"""What each cell adds to a layer's output: its weight times its value, as a vector.

Weights alone do not say how much comes from where: they multiply values of different lengths, and
in the positional branch each value channel has a gain of its own. The length of weight times value
(Kobayashi et al. 2020, for language models) has the same unit in both branches and all heads of a
layer, so such maps can be compared. What the offset of the batch norm between the positional steps
adds comes from no cell; it is the `constant`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np

from gsa import maps
from gsa.cells import Cells, check_in_layer
from gsa.maps import Branch, Direction, Kind
from gsa.record import Array, LayerRecord
from gsa.replay import replayed

MapOf = Callable[[LayerRecord, Kind, Cells], Array]  # to (h, y, x)


def contribution_vectors(
    layer: LayerRecord, kind: Kind, cells: Cells, direction: Direction = "from"
) -> Array:
    """Weight times gain times value: formulas (1) and (6) of `gsa.formulas` before their sum.

    Args:
        layer: the record.
        kind: a branch, or `sum`, the sum of both in each channel.
        cells: the place.
        direction: `from`, what each cell adds to the output in `cells`, their mean; `to`, what the
            values in `cells`, as their mean, add to the output in each cell.

    Returns:
        (h, e, y, x). From a place, the sum over y and x is the output but for the `constant`.

    Raises:
        ValueError: if the layer lacks the branch, there is no such kind or direction, or `cells`
            leaves its grid.
    """
    maps.check_direction(direction)
    check_in_layer(cells, layer)
    both = get_args(Branch)
    total: Array = np.zeros_like(layer.v)
    part: Array
    for branch in maps.chosen(kind, content=both[:1], positional=both[1:], sum=both):
        if direction == "from":
            part = maps.branch_map(layer, branch, cells)[:, None] * layer.v
        else:  # one cell after the other would be far more work than all at once
            values = np.zeros_like(layer.v)
            cells.of(values)[...] = cells.of(layer.v) / cells.of(layer.v[0, 0]).size
            part = replayed(layer, branch, values)
        if branch == "positional" and layer.gain is not None:
            part = layer.gain[:, :, None, None] * part
        total += part
    return total


def contribution_map(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """How much each cell adds to the output in `cells`: lengths of `contribution_vectors`.

    Returns:
        (h, y, x), never negative, in units of the layer's output.

    Raises:
        ValueError: if the layer lacks the branch or `cells` leaves its grid.
    """
    return np.linalg.norm(contribution_vectors(layer, kind, cells), axis=1)


def reverse_contribution_map(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """How much `cells` add to the output of each cell; otherwise as `contribution_map`."""
    return np.linalg.norm(contribution_vectors(layer, kind, cells, "to"), axis=1)


def constant(layer: LayerRecord, cells: Cells) -> Array:
    """What the positional branch puts out in `cells` whatever the values are, their mean: (h, e).

    The offset of the batch norm between the steps, which the row step gathers with its weights; 0
    where there is none.
    """
    return _constants(layer, cells).mean(axis=(-2, -1))


def _constants(layer: LayerRecord, cells: Cells) -> Array:
    """The same of each of `cells`: (h, e, rows, columns)."""
    if layer.offset is None:
        shape = cells.bottom - cells.top, cells.right - cells.left
        return np.zeros((*layer.v.shape[:2], *shape), layer.v.dtype)
    columns = [
        maps.row_weights(layer, Cells(cells.top, at, cells.bottom, at + 1)).sum(axis=2)
        for at in range(cells.left, cells.right)
    ]
    return layer.offset[:, :, None, None] * np.stack(columns, axis=-1)[:, None]


def constant_share(layer: LayerRecord, cells: Cells) -> float:
    """The part of the `constant` in the positional output: its norm over the sum of both norms.

    The other norm is of what cells add. Both run over heads, value channels and `cells`, as those
    of `gsa.maps.branch_share` do, so the share of several cells lies between those of single ones.
    NaN where both norms are zero.

    Raises:
        ValueError: if the layer has no positional branch or `cells` leaves its grid.
    """
    positional = maps.required(layer.positional, layer, "positional branch")
    check_in_layer(cells, layer)
    offset = _constants(layer, cells)
    added = cells.of(positional) - offset
    norms = [float(np.linalg.norm(part)) for part in (offset, added)]
    return norms[0] / sum(norms) if any(norms) else float("nan")
