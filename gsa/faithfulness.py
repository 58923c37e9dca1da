"""Does a map name the pixels that matter? Deletion and insertion curves put it to the test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gsa.checkpoints import Checkpoint
from gsa.interventions import probabilities
from gsa.perturbations import blurred
from gsa.record import Array


@dataclass(frozen=True, eq=False)
class Curve:
    """Probability of a class while pixels are removed, or put back, in the order of a map."""

    shares: Array  # share of the pixels that was changed, from 0 to 1
    probabilities: Array  # of the class
    area: float  # under the curve: low is good for deletion, high for insertion


def deletion(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int = 16
) -> Curve:
    """Replace the pixels of highest value first by the blurred picture.

    Args:
        checkpoint: the network to ask.
        x: (1, 3, rows, columns).
        target: class, from 0.
        values: (y, x) map of any resolution; enlarged to the picture's without smoothing.
        steps: changes from the whole picture to the blurred one.

    Raises:
        ValueError: if `x` is not one picture, there is no such class, `steps` is below 1, or
            `values` has a value that is not finite.
    """
    return _curve(checkpoint, x, target, values, steps, insert=False)


def insertion(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int = 16
) -> Curve:
    """Put the pixels of highest value first into the blurred picture; otherwise as `deletion`."""
    return _curve(checkpoint, x, target, values, steps, insert=True)


def _curve(
    checkpoint: Checkpoint, x: Tensor, target: int, values: Array, steps: int, *, insert: bool
) -> Curve:
    model = checkpoint.model
    x = model.prepared(x, single=True)
    model.check_target(target)
    if steps < 1:
        raise ValueError(f"`steps` (={steps}) must be at least 1.")
    if not np.isfinite(values).all():
        raise ValueError("`values` must be finite.")
    start, end = (blurred(x), x) if insert else (x, blurred(x))
    map_ = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))[None, None]
    size = (start.shape[2], start.shape[3])
    fine = torch.nn.functional.interpolate(map_, size, mode="nearest")[0, 0]
    rank = torch.empty(fine.numel(), dtype=torch.long)
    rank[fine.flatten().argsort(descending=True, stable=True)] = torch.arange(fine.numel())
    shares = np.linspace(0, 1, steps + 1)
    changed = torch.stack([rank < round(share * rank.numel()) for share in shares])
    mask = changed.view(-1, 1, *size)
    pictures = torch.where(mask, end.cpu(), start.cpu())  # moved to the device a part at a time
    curve = probabilities(model, pictures, checkpoint.card.temperature)[:, target]
    return Curve(shares, curve, float(np.trapezoid(curve, shares)))
