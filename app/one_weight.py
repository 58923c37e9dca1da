"""One weight of one head, taken apart into the numbers that make it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsa import maps
from gsa.cells import Cells
from gsa.record import Array, LayerRecord
from gsa.two_steps import two_step_path


@dataclass(frozen=True, eq=False)
class ContentWeight:
    """w = Σ_d q_d(query) ρ(k_d)(source)."""

    q: Array  # (d,)
    rho: Array  # (d,)
    weight: float


@dataclass(frozen=True, eq=False)
class Score:
    """q · r of one positional step."""

    q: Array  # (d,)
    r: Array  # (d,)
    offset: int  # cells from the one that reads to the one that is read

    @property
    def value(self) -> float:
        """The score."""
        return float(self.q @ self.r)


@dataclass(frozen=True, eq=False)
class PositionalWeight:
    """w = row score · column score, by way of the pixel in the query's row and source's column."""

    via: tuple[int, int]
    row: Score  # q(query) · r_r
    column: Score  # q(via) · r_c
    weight: float
    gain: tuple[float, float]  # the least and the largest gain of a value channel on this weight


def constant_query(layer: LayerRecord, head: int, query: tuple[int, int]) -> float:
    """The part of a query that no place and no picture changes.

    The length of the constant over the sum of its length and that of the rest; 0 without one.
    """
    if layer.q_constant is None:
        return 0.0
    constant = layer.q_constant[head]
    rest = layer.q[head, :, query[0], query[1]] - constant
    lengths = [float(np.linalg.norm(part)) for part in (constant, rest)]
    return lengths[0] / sum(lengths) if any(lengths) else 0.0


def content_weight(
    layer: LayerRecord, head: int, query: tuple[int, int], source: tuple[int, int]
) -> ContentWeight:
    """The content weight that `query` gives to `source`, both (row, column) of the layer's grid."""
    q = layer.q[head, :, query[0], query[1]]
    rho = maps.key_maps(layer)[head, :, source[0], source[1]]
    weight = maps.content_map(layer, Cells.at(*query))[head, source[0], source[1]]
    return ContentWeight(q, rho, float(weight))


def positional_weight(
    layer: LayerRecord, head: int, query: tuple[int, int], source: tuple[int, int]
) -> PositionalWeight:
    """The positional weight that `query` gives to `source`, for a layer that has both steps."""
    path = two_step_path(layer, query, source)
    gain = (1.0, 1.0)
    if layer.gain is not None:
        gain = float(layer.gain[head].min()), float(layer.gain[head].max())
    return PositionalWeight(
        via=path.via,
        row=Score(path.row_q[head], path.row_r, source[1] - query[1]),
        column=Score(path.column_q[head], path.column_r, source[0] - query[0]),
        weight=float(path.weight[head]),
        gain=gain,
    )
