"""Proof that a map is exact: applied to the values, it gives the layer's own output.

The map of who reads a place has no output to give. It is what the layer's formulas put out for
values that are 1 in the place and 0 elsewhere, and is compared with that. Numbers in brackets are
those of `gsa.formulas`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import get_args

import numpy as np
import torch

from gsa import maps
from gsa.cells import Cells, check_in_layer
from gsa.contributions import constant
from gsa.maps import Direction, Kind
from gsa.record import Array, LayerRecord, record, unwrapped
from gsa.replay import replayed
from gsa.resnet import ResNet

# A layer adds up to thousands of terms, which nearly cancel where a picture is plain: errors of
# 1e-5 are rounding there. A map that is wrong is off by far more.
TOLERANCE_FLOAT32 = 5e-5
TOLERANCE = {
    torch.float32: TOLERANCE_FLOAT32,
    torch.float64: 1e-10,
}  # largest relative error allowed


@dataclass(frozen=True)
class Proof:
    """How far a map is from what the layer computes; `prove` says what is compared.

    Both are of the worst head, which may be another for each. The relative one is the largest error
    of a head as a share of the root mean square of what it computes over the whole grid, and not of
    the number at the place, which may be a sum that cancels.
    """

    max_abs_error: float
    max_rel_error: float

    @staticmethod
    def worst(proofs: list[Proof]) -> Proof:
        """The largest errors of several proofs; one that is not a number counts as the largest."""
        return Proof(
            float(np.max([proof.max_abs_error for proof in proofs])),
            float(np.max([proof.max_rel_error for proof in proofs])),
        )


def apply_map(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """Map times values, with the gain and offset of the positional branch: (2) and (6), as (h, e).

    This is what the map says that the branch, or the sum of both, puts out, the mean over the
    queries in `cells`, added up in double precision. The sum has a map of its own for each value
    channel.
    """
    if kind == "sum":
        channels = range(layer.v.shape[1])
        each = np.stack([maps.sum_map(layer, cells, channel) for channel in channels])
        gathered = np.einsum("ehyx,heyx->he", each, layer.v, dtype=np.float64)
    else:
        weights = maps.branch_map(layer, kind, cells)  # (h, y, x)
        gathered = np.einsum("hyx,heyx->he", weights, layer.v, dtype=np.float64)
    if kind == "content" or layer.gain is None:
        return gathered
    if kind == "positional":  # the maps of the sum have their gain already
        gathered = layer.gain * gathered
    return gathered + constant(layer, cells)


def response(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """What the layer's formulas make of values that are 1 in `cells`, as a mean, and 0 elsewhere.

    These go through no map (`gsa.replay`). What a query puts out then is the weight that it gives
    to `cells`.

    Returns:
        (h, y, x), before the gain of the positional branch; in the sum with the mean gain.
    """
    if kind == "sum":
        positional = response(layer, "positional", cells)
        if layer.gain is not None:
            positional *= layer.gain.mean(axis=1)[:, None, None]
        return response(layer, "content", cells) + positional
    impulse = np.zeros((layer.heads, 1, *layer.shape), layer.q.dtype)
    cells.of(impulse)[...] = 1 / cells.of(impulse[0, 0]).size
    return replayed(layer, kind, impulse)[:, 0]


def prove(layer: LayerRecord, kind: Kind, cells: Cells, direction: Direction = "from") -> Proof:
    """Compare a map with what the layer computes, over all heads.

    A map from a place, applied to the values (`apply_map`), is compared with the layer's own output
    there, in every value channel. A map of who reads the place is compared in every cell with the
    `response` to it.

    Args:
        layer: the record.
        kind: a branch, or `sum`.
        cells: the place.
        direction: `from`, what the place reads, or `to`, who reads it.

    Raises:
        ValueError: if the layer lacks a branch, `cells` leaves its grid, or for a kind or direction
            that is none.
    """
    output = maps.chosen(kind, content=layer.content, positional=layer.positional, sum=layer.output)
    maps.check_direction(direction)
    for part in ("content", "positional"):
        if kind in (part, "sum"):
            maps.required(getattr(layer, part), layer, f"{part} branch")
    check_in_layer(cells, layer)
    everywhere = output if direction == "from" else response(layer, kind, cells)
    assert everywhere is not None  # a branch that is there has put something out
    if direction == "from":
        found, expected = apply_map(layer, kind, cells), cells.of(everywhere).mean(axis=(-2, -1))
    else:
        found, expected = maps.reverse_map(layer, kind, cells), everywhere
    error = np.abs(found - expected).reshape(layer.heads, -1).max(axis=1)
    squares = np.square(everywhere, dtype=np.float64).reshape(layer.heads, -1)
    size = np.sqrt(squares.mean(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(error == 0, 0.0, error / size)  # NaN stays NaN: it proves nothing
    return Proof(float(error.max()), float(relative.max()))


@dataclass(frozen=True)
class LayerProof:
    """The worst proof of one kind of map over random places, at one input size and precision."""

    layer: str
    branch: str  # content, positional or sum; `reverse ...` where it is who reads the place
    height: int  # of the network input, in pixels
    width: int
    dtype: str
    queries: int  # places
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
    seed: int = 0,
) -> Iterator[LayerProof]:
    """Prove the maps of every layer and head, for random pictures and queries.

    Relative errors are shares of the root mean square of what a head computes over the whole grid,
    as `Proof` has them.

    Args:
        model: in eval mode, of single or double precision, which the proof then has too.
        sizes: (height, width) of the network inputs to try.
        queries: how many queries of each layer, drawn by `seed`, two corners first; all of them
            where the layer has no more.

    Yields:
        One result for each size, layer and kind of map: of each branch and of their sum, from the
        place and back to it.

    Raises:
        ValueError: if `model` is no network of this project, in training mode or of another
            precision, `queries` is below 1, there is no GSA layer or no size, or one below 1.
    """
    model = unwrapped(model)
    dtype = model.head.weight.dtype
    precision = str(dtype).removeprefix("torch.")
    if dtype not in TOLERANCE:
        raise ValueError(f"the model is of {precision}; maps are proved in float32 or float64.")
    if queries < 1:
        raise ValueError(f"`queries` (={queries}) must be at least 1.")
    if not model.gsa_layers() or not sizes:
        raise ValueError("there is nothing to prove: no GSA layer, or no size.")
    if least := [size for size in sizes if min(size) < 1]:
        raise ValueError(f"`sizes` has {least[0]}; a picture has at least one row and one column.")
    rng = np.random.default_rng(seed)
    for height, width in sizes:
        noise = rng.standard_normal((1, 3, height, width))
        recording = record(model, torch.from_numpy(noise))
        for name, layer in recording.layers.items():
            rows, columns = layer.shape
            places = _places(rows, columns, queries, rng)
            for direction, kind in product(get_args(Direction), maps.kinds(layer)):
                proofs = [prove(layer, kind, Cells.at(*place), direction) for place in places]
                worst = Proof.worst(proofs)
                yield LayerProof(
                    layer=name,
                    branch=kind if direction == "from" else f"reverse {kind}",
                    height=height,
                    width=width,
                    dtype=precision,
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
