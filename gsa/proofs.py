"""Proof that a map is exact: applied to the values, it gives the layer's own output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from gsa import maps
from gsa.maps import Branch, Cells
from gsa.record import Array, LayerRecord, record
from gsa.resnet import ResNet

TOLERANCE_FLOAT32 = 1e-5
TOLERANCE = {
    torch.float32: TOLERANCE_FLOAT32,
    torch.float64: 1e-10,
}  # largest relative error allowed


@dataclass(frozen=True)
class Proof:
    """How far map x values is from the output of a branch at a query."""

    max_abs_error: float
    max_rel_error: float  # as a share of the root mean square of the head's output over the grid

    @staticmethod
    def worst(proofs: list[Proof]) -> Proof:
        """The largest errors of several proofs; one that is not a number counts as the largest."""
        return Proof(
            float(np.max([proof.max_abs_error for proof in proofs])),
            float(np.max([proof.max_rel_error for proof in proofs])),
        )


def apply_map(layer: LayerRecord, branch: Branch, cells: Cells) -> Array:
    """Map times values, with the gain and offset of the positional branch: (h, e).

    This is what the map says that the branch puts out, the mean over the queries in `cells`.
    """
    weights = maps.branch_map(layer, branch, cells)  # (h, y, x)
    gathered = np.einsum("hyx,heyx->he", weights, layer.v)
    if branch == "content" or layer.gain is None or layer.offset is None:
        return gathered
    row_sum = maps.row_weights(layer, cells).sum(axis=2).mean(axis=1)  # (h,)
    return layer.gain * gathered + layer.offset * row_sum[:, None]


def prove(layer: LayerRecord, branch: Branch, cells: Cells) -> Proof:
    """Compare `apply_map` with the branch's own output, over all heads and value channels.

    Raises:
        ValueError: if the layer lacks the branch or `cells` leaves its grid.
    """
    expected = layer.content if branch == "content" else layer.positional
    if expected is None:
        raise ValueError(f"layer {layer.name} has no {branch} branch.")
    output = cells.of(expected).mean(axis=(-2, -1))  # (h, e)
    error = np.abs(apply_map(layer, branch, cells) - output).max(axis=1)  # (h,)
    # the root mean square, and not the output at this query, which may be a sum that cancels
    size = np.sqrt(np.mean(np.square(expected, dtype=np.float64), axis=(1, 2, 3)))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(error == 0, 0.0, error / size)  # NaN stays NaN: it proves nothing
    return Proof(float(error.max()), float(relative.max()))


@dataclass(frozen=True)
class LayerProof:
    """The worst proof of a layer's branch over random queries, at one input size and precision."""

    layer: str
    branch: Branch
    height: int  # of the network input, in pixels
    width: int
    dtype: str
    queries: int
    max_abs_error: float
    max_rel_error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the relative error is within tolerance; an error that is not a number is not."""
        return self.max_rel_error <= self.tolerance


def verify(
    model: ResNet,
    sizes: list[tuple[int, int]],
    *,
    queries: int = 8,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Iterator[LayerProof]:
    """Prove the maps of every layer and head, for random pictures and queries.

    Args:
        model: in eval mode and of precision `dtype`.
        sizes: (height, width) of the network inputs to try.
        queries: how many queries of each layer, drawn by `seed`, two corners first; all of them
            where the layer has no more.

    Yields:
        One result for each size, layer and branch.
    """
    rng = np.random.default_rng(seed)
    for height, width in sizes:
        noise = rng.standard_normal((1, 3, height, width))
        recording = record(model, torch.from_numpy(noise).to(dtype))
        for name, layer in recording.layers.items():
            rows, columns = layer.shape
            places = _places(rows, columns, queries, rng)
            for branch in maps.branches(layer):
                proofs = [prove(layer, branch, Cells.at(*place)) for place in places]
                worst = Proof.worst(proofs)
                yield LayerProof(
                    layer=name,
                    branch=branch,
                    height=height,
                    width=width,
                    dtype=str(dtype).removeprefix("torch."),
                    queries=len(places),
                    max_abs_error=worst.max_abs_error,
                    max_rel_error=worst.max_rel_error,
                    tolerance=TOLERANCE[dtype],
                )


def _places(
    rows: int, columns: int, queries: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Different cells: the first and the last, then others at random."""
    between = 1 + rng.permutation(max(rows * columns - 2, 0))
    order = [0, rows * columns - 1, *between.tolist()] if rows * columns > 1 else [0]
    return [divmod(at, columns) for at in order[:queries]]
