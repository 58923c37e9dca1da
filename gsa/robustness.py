"""Tests that separate near from far: pictures spoilt step by step, and how the twins bear it.

Every test takes pictures (b, 3, rows, columns) with values from 0 to 1 and a severity, and gives
pictures of the same shape; what is empty becomes mid-grey. At its first severity a test changes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

from gsa.checkpoints import Checkpoint
from gsa.evaluate import BATCH, logits_of, share_of, wilson
from gsa.samples import Pixels, all_prepared
from gsa.split import Split

GREY = 0.5
_PATCHES = 8  # of each side that are covered or left


def shuffle_patches(x: Tensor, patches: float) -> Tensor:
    """Cut into patches x patches squares and put together in an order drawn by a fixed seed.

    What is near stays together inside a patch, what is far does not. Sides that `patches` does
    not divide are shuffled up to the last whole patch.
    """
    n = int(patches)
    side = min(x.shape[-2:]) // n
    whole = x[..., : n * side, : n * side]
    tiles = whole.unflatten(-1, (n, side)).unflatten(-3, (n, side))  # (b, 3, n, side, n, side)
    tiles = tiles.transpose(-3, -2).flatten(2, 3)  # (b, 3, n * n, side, side)
    order = _moving_order(n * n, seed=n)
    mixed = tiles[:, :, order].unflatten(2, (n, n)).transpose(-3, -2)
    out = x.clone()
    out[..., : n * side, : n * side] = mixed.flatten(-2).flatten(-3, -2)
    return out


def _moving_order(count: int, seed: int) -> Tensor:
    """A random order in which nothing keeps its place; one thing alone does."""
    around = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    order = torch.empty_like(around)
    order[around] = around.roll(1)  # each takes the place of the one before it on a round tour
    return order


def _frequencies(x: Tensor) -> Tensor:
    """Waves across the shorter side of each Fourier component: (rows, columns)."""
    rows, columns = x.shape[-2:]
    down, across = torch.fft.fftfreq(rows), torch.fft.fftfreq(columns)
    return torch.hypot(down[:, None], across[None, :]) * min(rows, columns)


def _filtered(x: Tensor, gains: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.fft2(x) * gains).real


def low_pass(x: Tensor, length: float) -> Tensor:
    """Keep coarse structure: a Gaussian filter that halves waves of a length, 0 keeps all.

    The length is a share of the shorter side: the inverse of the waves per side of `high_pass`.
    """
    return _filtered(x, torch.exp(-math.log(2) * (_frequencies(x) * length) ** 2)).clamp(0, 1)


def high_pass(x: Tensor, waves: float) -> Tensor:
    """Keep fine structure: what `low_pass` takes away at 1 / `waves`, around grey; 0 keeps all."""
    if waves == 0:
        return x
    gains = 1 - torch.exp(-math.log(2) * (_frequencies(x) / waves) ** 2)
    return (_filtered(x, gains) + GREY).clamp(0, 1)


def _nearest_first() -> list[int]:
    """The patches by their distance from the middle; opposite ones follow each other."""
    middle = (_PATCHES - 1) / 2

    def turn(patch: int) -> tuple[float, float, bool]:
        down, across = patch // _PATCHES - middle, patch % _PATCHES - middle
        below = (down, across) > (0, 0)
        angle = math.atan2(down, across) % math.pi  # of a line through the middle
        return down**2 + across**2, round(angle, 6), below

    return sorted(range(_PATCHES**2), key=turn)


def _cover(x: Tensor, patches: list[int], share: float) -> Tensor:
    """Make the given share of patches grey, the first ones; an even number, so round the middle."""
    covered = torch.zeros(_PATCHES**2)
    covered[patches[: 2 * round(share * len(patches) / 2)]] = 1
    mask = F.interpolate(covered.view(1, 1, _PATCHES, _PATCHES), x.shape[-2:], mode="nearest")
    return x * (1 - mask) + GREY * mask


def cover_far(x: Tensor, share: float) -> Tensor:
    """Grey patches, the farthest from the middle first."""
    return _cover(x, _nearest_first()[::-1], share)


def cover_near(x: Tensor, share: float) -> Tensor:
    """Grey patches, the nearest to the middle first."""
    return _cover(x, _nearest_first(), share)


def centre_crop(x: Tensor, share: float) -> Tensor:
    """The middle square with `share` of the side, enlarged to the full size."""
    rows, columns = x.shape[-2:]
    cut = TF.center_crop(x, [round(rows * share), round(columns * share)])
    return TF.resize(cut, [rows, columns], antialias=True).clamp(0, 1)


def shift(x: Tensor, share: float) -> Tensor:
    """Moved right and down by `share` of the side."""
    rows, columns = (round(n * share) for n in x.shape[-2:])
    moved = torch.full_like(x, GREY)
    moved[..., rows:, columns:] = x[..., : x.shape[-2] - rows, : x.shape[-1] - columns]
    return moved


def rotate(x: Tensor, degrees: float) -> Tensor:
    """Turned counter-clockwise about the middle."""
    bilinear = TF.InterpolationMode.BILINEAR
    return TF.rotate(x, degrees, interpolation=bilinear, fill=[GREY] * 3)


def shrink(x: Tensor, share: float) -> Tensor:
    """Reduced to `share` of the side, in the middle of a grey picture."""
    rows, columns = (round(n * share) for n in x.shape[-2:])
    small = TF.resize(x, [rows, columns], antialias=True).clamp(0, 1)
    out = torch.full_like(x, GREY)
    top, left = (x.shape[-2] - rows) // 2, (x.shape[-1] - columns) // 2
    out[..., top : top + rows, left : left + columns] = small
    return out


@dataclass(frozen=True)
class Test:
    """A way to spoil pictures, and how much."""

    apply: Callable[[Tensor, float], Tensor]
    severities: tuple[float, ...]  # from nothing to much


TESTS: dict[str, Test] = {
    "shuffle": Test(shuffle_patches, (1, 2, 4, 8, 16)),
    "low_pass": Test(low_pass, (0, 1 / 32, 1 / 16, 1 / 8, 1 / 4)),
    "high_pass": Test(high_pass, (0, 1, 2, 4, 8)),
    "cover_far": Test(cover_far, (0, 0.25, 0.5, 0.75, 0.9)),
    "cover_near": Test(cover_near, (0, 0.1, 0.25, 0.5, 0.75)),
    "crop": Test(centre_crop, (1, 0.8, 0.6, 0.45, 0.3)),
    "shift": Test(shift, (0, 0.06, 0.12, 0.25, 0.4)),
    "rotation": Test(rotate, (0, 15, 45, 90, 180)),
    "scale": Test(shrink, (1, 0.8, 0.6, 0.45, 0.3)),
}


@dataclass(frozen=True)
class Score:
    """How many of the spoilt pictures a network gets right."""

    checkpoint: str
    test: str
    severity: float
    right: float  # share
    low: float  # of the 95 % Wilson interval of it
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def scores(
    checkpoints: Sequence[Checkpoint],
    sample: Split,
    tests: Sequence[str] = tuple(TESTS),
    pixels: Pixels | None = None,
) -> Iterator[Score]:
    """Accuracy of each network in each test at each severity, one at a time.

    Args:
        checkpoints: networks that know the classes of the sample.
        sample: pictures, their classes in the words of the checkpoints' cards.
        tests: of `TESTS`.
        pixels: what `samples.prepare` gave at its end; done here by default.

    Raises:
        ValueError: for a test that is not there, no picture, or a label that a card lacks.
    """
    unknown = sorted(set(tests) - set(TESTS))
    if unknown:
        raise ValueError(f"there is no test {unknown[0]!r}; tests are {', '.join(TESTS)}.")
    targets = []
    for checkpoint in checkpoints:
        missing = sorted(set(sample.answers) - set(checkpoint.labels))
        if missing:
            raise ValueError(f"{checkpoint.card.name!r} does not know {missing[0]!r}.")
        targets.append(torch.tensor([checkpoint.labels.index(label) for label in sample.answers]))
    if pixels is None:
        pixels = all_prepared(checkpoints, sample)
    for name in tests:
        for severity in TESTS[name].severities:
            for checkpoint, target in zip(checkpoints, targets, strict=True):
                said = [
                    logits_of(checkpoint, TESTS[name].apply(part / 255, severity) * 255).argmax(1)
                    for part in pixels[checkpoint.preprocess].split(BATCH)
                ]
                right = share_of(torch.cat(said) == target)
                low, high = wilson(right, len(sample))
                yield Score(checkpoint.card.name, name, severity, right, low, high, len(sample))
