"""What a checkpoint gets right: accuracy with its uncertainty, and calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gsa.card import CALIBRATION_BINS
from gsa.checkpoints import Checkpoint
from gsa.preprocess import Preprocess
from gsa.split import DataError, Split

BATCH = 64


def prepared(preprocess: Preprocess, pictures: Iterable[Image.Image]) -> Tensor:
    """Every picture as the app would show it to the network: (n, 3, size, size) uint8.

    Pictures are taken one by one, so `Split.pictures` never lie in memory at their own size.
    """
    crops = [
        torch.frombuffer(bytearray(preprocess.crop(picture).tobytes()), dtype=torch.uint8)
        for picture in pictures
    ]
    side = preprocess.size
    if not crops:
        return torch.empty(0, 3, side, side, dtype=torch.uint8)
    return torch.stack(crops).view(-1, side, side, 3).permute(0, 3, 1, 2).contiguous()


def logits_of(checkpoint: Checkpoint, pixels: Tensor) -> Tensor:
    """(n, classes) float32 on the CPU, of (n, 3, rows, columns) with values from 0 to 255."""
    weight, normalise = checkpoint.model.head.weight, checkpoint.preprocess.normalise
    with torch.no_grad():  # not inference mode: the temperature is fitted through these
        return torch.cat(
            [
                checkpoint.model(normalise(part.to(weight.device)).to(weight.dtype)).float().cpu()
                for part in pixels.split(BATCH)
            ]
        )


def share_of(right: Tensor) -> float:
    """The share of answers that are right: (n,) bool, at least one, counted and not averaged.

    A mean in single precision would differ from the count over `n` in its eighth digit.
    """
    return int(right.sum()) / len(right)


def wilson(share: float, n: int) -> list[float]:
    """The 95 % Wilson score interval of a share of n trials: [low, high]."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [max(0.0, middle - half), min(1.0, middle + half)]


def evaluate(checkpoint: Checkpoint, split: Split) -> dict[str, Any]:
    """Accuracy and calibration on a split whose classes are the checkpoint's or some of them.

    Returns:
        `top1`, `top5`, `n`, `top1_interval` and `top5_interval` (95 %, Wilson), `mean_per_class`,
        and `calibration_error` after division by the card's temperature.

    Raises:
        DataError: if the split has a class that the checkpoint lacks.
    """
    split = in_order(split, checkpoint.labels, repr(checkpoint.card.name), some=True)
    pixels = prepared(checkpoint.preprocess, split.pictures())
    logits, targets = logits_of(checkpoint, pixels), torch.tensor(split.targets)
    classes = len(split.labels)
    right = logits.argmax(1) == targets
    top1 = share_of(right)
    best = logits.topk(min(5, classes), dim=1).indices
    top5 = share_of((best == targets[:, None]).any(1))
    probabilities = (logits / checkpoint.card.temperature).softmax(1)
    return {
        "top1": top1,
        "top1_interval": wilson(top1, len(split)),
        "top5": top5,
        "top5_interval": wilson(top5, len(split)),
        "mean_per_class": fmean(share_of(right[targets == each]) for each in targets.unique()),
        "calibration_error": calibration_error(probabilities, targets),
        "n": len(split),
    }


def calibration_error(probabilities: Tensor, targets: Tensor) -> float:
    """The expected calibration error: mean gap of confidence and share right, over equal bins.

    Args:
        probabilities: (n, classes).
        targets: (n,) classes.
    """
    # not at the top: it takes long, and who counts or reads a card does not need it
    from torchmetrics.functional.classification import multiclass_calibration_error

    classes = probabilities.shape[1]
    return float(
        multiclass_calibration_error(
            probabilities, targets, num_classes=classes, n_bins=CALIBRATION_BINS
        )
    )


def in_order(
    split: Split,
    labels: tuple[str, ...],
    whose: str,
    *,
    data_name: str = "the data",
    some: bool = False,
) -> Split:
    """The same pictures, their classes numbered as in `labels`.

    Args:
        split: the pictures.
        labels: names of the classes, in the order that is wanted.
        whose: labels they are, in an error's words.
        data_name: what an error calls the pictures.
        some: whether classes may be missing among the pictures.

    Raises:
        DataError: if the names of the classes differ in more than their order.
    """
    if split.labels == labels:
        return split
    data, known = Counter(split.labels), Counter(labels)
    if some and (unknown := data - known):
        kind = "class" if unknown.total() == 1 else "classes"
        raise DataError(f"{data_name} has the {kind} {_some(unknown)}, which {whose} lacks.")
    if not some and data != known:
        sides = ((f"{data_name} alone", data - known), (f"{whose} alone", known - data))
        differing = [f"{side} has {_some(names)}" for side, names in sides if names]
        raise DataError(
            f"{data_name} has {len(split.labels)} classes and {whose} {len(labels)}; "
            f"{', '.join(differing)}."
        )
    targets = tuple(labels.index(split.labels[target]) for target in split.targets)
    return replace(split, targets=targets, labels=labels)


def _some(names: Counter[str]) -> str:
    """Three of the names, and how many more there are."""
    shown = ", ".join(map(repr, sorted(names.elements())[:3]))
    return f"{shown} and {names.total() - 3} more" if names.total() > 3 else shown


def fit_temperature(checkpoint: Checkpoint, split: Split) -> float:
    """The number that logits are divided by for the least cross entropy on a split.

    It is from 0.001 to 1000, since it would go to zero where every answer on the split is right.
    Cross entropy is convex in its inverse, so its slope changes sign once at most.
    """
    pixels = prepared(checkpoint.preprocess, split.pictures())
    logits, targets = logits_of(checkpoint, pixels).double(), torch.tensor(split.targets)
    wanted = logits.gather(1, targets[:, None]).mean()
    low, high = -math.log(1000), math.log(1000)  # of the inverse
    for _ in range(60):  # halved down to the last bit
        middle = (low + high) / 2
        expected = ((math.exp(middle) * logits).softmax(1) * logits).sum(1).mean()
        low, high = (middle, high) if expected < wanted else (low, middle)
    return math.exp(-(low + high) / 2)
