"""What training does to its pictures before the network sees them.

Every random number comes from torch's global generator on the CPU, so that a caller who seeds it
with the step gets the same batch again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import (
    Compose,
    CutMix,
    MixUp,
    RandAugment,
    RandomChoice,
    RandomErasing,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Transform,
    TrivialAugmentWide,
)

from gsa.recipe import Recipe

_POLICIES: dict[str, type[Transform]] = {"trivial": TrivialAugmentWide, "rand": RandAugment}


def views(pictures: list[Tensor], recipe: Recipe, epoch: int) -> Tensor:
    """A random crop of each picture, perhaps mirrored, then changed by the recipe's policy.

    Args:
        pictures: (3, rows, columns) uint8 each, of any size.
        recipe: gives the smallest crop, the side of the crops and the policy.
        epoch: from 0; both may change with it.

    Returns:
        (n, 3, size, size) uint8.
    """
    size, policy = recipe.size_at(epoch), recipe.augment_at(epoch)
    steps: list[Transform] = [
        RandomResizedCrop(size, scale=(recipe.crop_scale, 1.0), antialias=True),
        RandomHorizontalFlip(),
    ]
    if policy:
        steps.append(_POLICIES[policy](interpolation=InterpolationMode.BILINEAR))
    change = Compose(steps)
    return torch.stack([change(picture) for picture in pictures])


def erase(x: Tensor, recipe: Recipe) -> Tensor:
    """Blank a rectangle of some pictures, each its own: (n, 3, rows, columns) to the same.

    Zero, the blank, is the mean colour of a normalised picture.
    """
    if not recipe.erase:
        return x
    change = RandomErasing(p=recipe.erase)
    return torch.stack([change(picture) for picture in x])


def mix(x: Tensor, targets: Tensor, classes: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Mixup or cutmix, where the recipe has them.

    Args:
        x: (n, 3, rows, columns).
        targets: (n,) class of each picture.
        classes: how many there are.
        recipe: gives both strengths; with both, each batch draws one.

    Returns:
        Pictures of the same shape; targets (n, classes) as shares of classes, or (n,) as they were.
    """
    choices: list[Transform] = []
    if recipe.mixup:
        choices.append(MixUp(alpha=recipe.mixup, num_classes=classes))
    if recipe.cutmix:
        choices.append(CutMix(alpha=recipe.cutmix, num_classes=classes))
    return RandomChoice(choices)(x, targets) if choices else (x, targets)
