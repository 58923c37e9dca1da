"""Pictures with one part changed, to see what depends on that part.

All functions take and give normalised pictures (1, 3, rows, columns), in which 0 is the mean
colour of the data; boxes are (top, left, bottom, right) in whole pixels, half open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gsa.checkpoints import Checkpoint
from gsa.interventions import probabilities
from gsa.preprocess import Grid
from gsa.record import Array
from gsa.resnet import ResNet

Box = tuple[int, int, int, int]
Change = Literal["blank", "blur", "swap"]
DRAWS = 3  # orders that `by_shuffled_radius` takes the mean over


def blurred(x: Tensor) -> Tensor:
    """So blurred that the class is lost, without the hard edges that blanks would have."""
    # its package takes longer to load than the rest of the project
    from torchvision.transforms.v2.functional import gaussian_blur

    sigma = min(x.shape[-2:]) / 12
    kernel = 2 * int(2 * sigma) + 1
    return gaussian_blur(x, [kernel, kernel], [sigma, sigma])


def opposite(box: Box, height: int, width: int) -> Box:
    """The box on the other side of the picture's middle."""
    top, left, bottom, right = box
    return height - bottom, width - right, height - top, width - left


def change(x: Tensor, box: Box, how: Change) -> Tensor:
    """A picture with a part blanked, blurred, or swapped with the part `opposite`.

    Raises:
        ValueError: if the box is empty or leaves the picture, or for another way.
    """
    height, width = x.shape[-2:]
    top, left, bottom, right = box
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(f"the part {box} must lie in the {height} x {width} pixels of the input.")
    result = x.clone()
    if how == "blank":
        result[..., top:bottom, left:right] = 0
    elif how == "blur":
        result[..., top:bottom, left:right] = blurred(x)[..., top:bottom, left:right]
    elif how == "swap":
        up, west, down, east = opposite(box, height, width)
        one, other = torch.zeros(2, height, width, dtype=torch.bool)
        one[top:bottom, left:right] = True
        other[up:down, west:east] = True
        # what belongs to both parts stays, so that every pixel is still there once
        result[..., one & ~other] = x[..., other & ~one]
        result[..., other & ~one] = x[..., one & ~other]
    else:
        raise ValueError(f"`how` (={how!r}) must be one of {', '.join(get_args(Change))}.")
    return result


def shuffle_far(
    x: Tensor, place: tuple[float, float], radius: float, *, seed: int = 0, patches: int = 16
) -> Tensor:
    """A picture whose patches beyond a radius round a place have changed places.

    Args:
        x: one picture.
        place: (row, column) in pixels.
        radius: in pixels along either axis, from the place to a patch's middle.
        seed: draws the new order.
        patches: along each side, at least; a side has more where it is not divisible by them, and
            what is left over of it stays.

    Raises:
        ValueError: for fewer than one patch, or a place outside the picture.
    """
    if patches < 1:
        raise ValueError(f"`patches` (={patches}) must be at least 1.")
    height, width = x.shape[-2:]
    Grid(1, 1, height, width).cell_at(*place)  # which refuses one outside
    tall, wide = max(height // patches, 1), max(width // patches, 1)
    tops = [t for t in range(0, height - tall + 1, tall)]
    lefts = [at for at in range(0, width - wide + 1, wide)]
    corners = [
        (top, left)
        for top in tops
        for left in lefts
        if max(abs(top + tall / 2 - place[0]), abs(left + wide / 2 - place[1])) > radius
    ]
    order = torch.randperm(len(corners), generator=torch.Generator().manual_seed(seed)).tolist()
    result = x.clone()
    for (top, left), source in zip(corners, order, strict=True):
        up, west = corners[source]
        result[..., top : top + tall, left : left + wide] = x[
            ..., up : up + tall, west : west + wide
        ]
    return result


def by_shuffled_radius(
    checkpoint: Checkpoint,
    x: Tensor,
    place: tuple[float, float],
    radii: Sequence[float],
    draws: int = DRAWS,
) -> Array:
    """Class probabilities while everything beyond each radius round a place is shuffled.

    Returns:
        (radii, classes), the mean over `draws` orders.
    """
    pictures = [
        shuffle_far(x, place, radius, seed=seed) for radius in radii for seed in range(draws)
    ]
    found = probabilities(checkpoint.model, torch.cat(pictures), checkpoint.card.temperature)
    return found.reshape(len(radii), draws, -1).mean(axis=1)


@dataclass(frozen=True, eq=False)
class Effect:
    """What a change of the picture does to a network."""

    before: Array  # class probabilities (classes,)
    after: Array
    features: dict[str, float]  # by layer: |change of the features at the place| / |features|


def effect(
    checkpoint: Checkpoint, x: Tensor, changed: Tensor, place: tuple[float, float]
) -> Effect:
    """Compare a network's view of a picture with that of a changed one.

    Args:
        checkpoint: GSA or conv.
        x, changed: (1, 3, rows, columns).
        place: (row, column) in pixels whose features are compared, in the output of each block.
    """
    both = torch.cat([x, changed])
    before, after = probabilities(checkpoint.model, both, checkpoint.card.temperature)
    return Effect(before, after, _feature_changes(checkpoint.model, both, place))


def _feature_changes(model: ResNet, both: Tensor, place: tuple[float, float]) -> dict[str, float]:
    found = {}
    with torch.inference_mode():
        for name, output in model.block_outputs(model.prepared(both)):
            grid = Grid(*output.shape[-2:], *both.shape[-2:])
            row, column = grid.cell_at(*place)
            first, second = output[:, :, row, column].double().cpu().numpy()
            size = np.linalg.norm(first)
            found[name] = float(np.linalg.norm(second - first) / size) if size else float("nan")
    return found
