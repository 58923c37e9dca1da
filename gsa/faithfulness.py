"""Does a map name the pixels that matter? Deletion and insertion curves put it to the test.

Pixels are changed in square blocks, in the order of the map's mean over each. Pixels one by one
would test something else: a picture with scattered blurred pixels is lost to a network for their
edges alone, so that speckled maps would do best, and a random one nearly as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gsa.checkpoints import Checkpoint
from gsa.interventions import probabilities
from gsa.perturbations import blurred
from gsa.record import Array

BLOCKS = 16  # along the longer side of a picture
DRAWS = 16  # orders at random


@dataclass(frozen=True, eq=False)
class Curve:
    """Probability of a class while pixels are removed, or put back, in the order of a map."""

    shares: Array  # share of the pixels that was changed, from 0 to 1
    probabilities: Array  # of the class
    area: float  # under the curve: low is good for deletion, high for insertion


def deletion(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int = 16
) -> Curve:
    """Replace the blocks of highest value first by the blurred picture.

    Args:
        checkpoint: the network to ask.
        x: (1, 3, rows, columns).
        target: class, from 0.
        values: (y, x) map of any resolution; brought to the picture's without smoothing.
        steps: changes from the whole picture to the blurred one.

    Raises:
        ValueError: if `x` is not one picture, there is no such class, `steps` is below 1, or
            `values` has a value that is not finite.
    """
    return _curve(checkpoint, x, target, values, steps, insert=False)


def insertion(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int = 16
) -> Curve:
    """Put the blocks of highest value first into the blurred picture; otherwise as `deletion`."""
    return _curve(checkpoint, x, target, values, steps, insert=True)


@dataclass(frozen=True, eq=False)
class Chance(Curve):
    """The mean curve of several orders at random, with the area of each.

    Single ones differ as much as methods do: to beat the mean alone is luck in half of the cases.
    """

    areas: Array  # (draws,), the smallest first

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Chance:
        """Of one or more curves over the same shares."""
        mean = np.mean([each.probabilities for each in curves], axis=0)
        areas = np.sort([each.area for each in curves])
        return cls(curves[0].shares, mean, float(areas.mean()), areas)


def at_random(checkpoint: Checkpoint, x: Tensor, target: int, seed: int, steps: int = 16) -> Curve:
    """`deletion` by a map of random numbers: the least that a map must beat.

    Things stand in the middle of most pictures and have edges there, so that `edges` and `middle`
    of `gsa.attribution`, which know no network, beat it with ease.
    """
    values = np.random.default_rng(seed).random((BLOCKS, BLOCKS))
    return deletion(checkpoint, x, target, values, steps)


def by_chance(
    checkpoint: Checkpoint, x: Tensor, target: int, steps: int = 16, draws: int = DRAWS
) -> Chance:
    """`at_random` with the seeds from 0.

    Args:
        checkpoint: the network to ask.
        x: (1, 3, rows, columns).
        target: class, from 0.
        steps: as for `deletion`.
        draws: how many.

    Raises:
        ValueError: as `deletion`, and for fewer than one.
    """
    if draws < 1:
        raise ValueError(f"`draws` (={draws}) must be at least 1.")
    return Chance.of([at_random(checkpoint, x, target, seed, steps) for seed in range(draws)])


def _curve(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int, *, insert: bool
) -> Curve:
    model = checkpoint.model
    x = model.prepared(x, single=True)
    model.check_target(target)
    if steps < 1:
        raise ValueError(f"`steps` (={steps}) must be at least 1.")
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"`values` has shape {values.shape}; it must be (rows, columns).")
    if not np.isfinite(values).all():
        raise ValueError("`values` must be finite.")
    start, end = (blurred(x), x) if insert else (x, blurred(x))
    map_ = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))[None, None]
    size = (start.shape[2], start.shape[3])
    rank = _in_blocks(F.interpolate(map_, size, mode="nearest")[0, 0])
    shares = np.linspace(0, 1, steps + 1)
    changed = torch.stack([rank < round(share * rank.numel()) for share in shares])
    mask = changed.view(-1, 1, *size)
    pictures = torch.where(mask, end.cpu(), start.cpu())  # moved to the device a part at a time
    curve = probabilities(model, pictures, checkpoint.card.temperature)[:, target]
    return Curve(shares, curve, float(np.trapezoid(curve, shares)))


def _in_blocks(values: Tensor) -> Tensor:
    """The place of each pixel of a map (rows, columns) in the order: (rows * columns,) from 0."""
    rows, columns = values.shape
    side = -(-max(rows, columns) // BLOCKS)
    means = F.avg_pool2d(values[None, None], side, ceil_mode=True)[0, 0]
    block = torch.arange(rows)[:, None] // side * means.shape[1] + torch.arange(columns) // side
    turn = torch.empty(means.numel(), dtype=torch.long)  # of each block
    # equal blocks go in an order at random, the same each time, and not from the top
    mixed = torch.randperm(means.numel(), generator=torch.Generator().manual_seed(0))
    order = mixed[means.flatten()[mixed].argsort(descending=True, stable=True)]
    turn[order] = torch.arange(means.numel())
    rank = torch.empty(values.numel(), dtype=torch.long)
    rank[turn[block.flatten()].argsort(stable=True)] = torch.arange(values.numel())
    return rank
