"""Tasks that far pixels decide, drawn on the spot, and tiny twins that learn them in seconds.

A picture is grey with light marks; the answer is yes or no and as often one as the other at every
distance. The twins end as all networks here do, with a mean over all places and a linear layer. A
mean cannot compare: a network of which no unit sees both marks knows at the end how many marks of
each kind there are in all, and from that a linear layer cannot tell pairs of two alike from pairs
of two that differ: at best it is right in three cases of four (`SUMMED_AT_BEST`), and the least
cross entropy is that of a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gsa.config import Mixer, NetworkConfig
from gsa.evaluate import share_of, wilson
from gsa.receptive_field import field_of
from gsa.resnet import ResNet

SIDE = 48  # pixels of a picture
MARK = 5  # pixels of a mark
NEAREST, FARTHEST = 8, 38  # pixels between what decides
BINS = ((8, 14), (14, 20), (20, 26), (26, 32), (32, 38))  # in which accuracy is measured

# The most that a threshold on a sum over single marks can get right, by task: of two marks 0, 1 or
# 2 are upright, in a quarter, half and a quarter of the pictures, and the answer for 1 is the other
# than for 0 and 2. A threshold parts one end from the rest. (Of several bars some may be near each
# other, and valued together.)
SUMMED_AT_BEST = {"same": 0.75, "path": 0.75}

Picture = NDArray[np.float32]  # (SIDE, SIDE), 0 for ground and 1 for a mark
Draw = Callable[[np.random.Generator, float, bool], Picture]


def _place(rng: np.random.Generator, offset: NDArray[np.floating]) -> NDArray[np.int64]:
    """The top left corner of the first of two marks that both lie in the picture."""
    low = np.maximum(0, -offset)
    high = SIDE - MARK - np.maximum(0, offset)
    return np.floor(low + rng.random(2) * (high - low + 1)).astype(int)


def _offset(rng: np.random.Generator, distance: float) -> NDArray[np.floating]:
    """(rows, columns) from one mark to the other, in a direction in which there is room."""
    while True:
        angle = rng.uniform(0, 2 * np.pi)
        offset = np.round(distance * np.array([np.sin(angle), np.cos(angle)]))
        if np.abs(offset).max() <= SIDE - MARK:
            return offset


def _mark(picture: Picture, corner: NDArray[np.int64], upright: bool) -> None:
    """A bar, upright or lying, in a square of MARK pixels."""
    row, column = corner
    if upright:
        picture[row : row + MARK, column + 1 : column + MARK - 1] = 1
    else:
        picture[row + 1 : row + MARK - 1, column : column + MARK] = 1


def _pair(rng: np.random.Generator, distance: float) -> tuple[NDArray, NDArray]:
    offset = _offset(rng, distance)
    first = _place(rng, offset)
    return first, first + offset.astype(int)


def draw_same(rng: np.random.Generator, distance: float, yes: bool) -> Picture:
    """Two bars. Yes: both upright or both lying."""
    picture = np.zeros((SIDE, SIDE), dtype=np.float32)
    first, second = _pair(rng, distance)
    upright = bool(rng.integers(2))
    _mark(picture, first, upright)
    _mark(picture, second, upright == yes)
    return picture


def draw_count(rng: np.random.Generator, distance: float, yes: bool) -> Picture:
    """Two to four upright bars, two of them `distance` apart. Yes: even.

    None of the others lies farther from either of these two. From each other they may: four bars
    do not fit side by side into a circle of the least distance.

    Two and four together are as frequent as three, so more ink speaks for neither answer.
    """
    count = int(rng.choice((2, 4))) if yes else 3
    taken: list[NDArray] = []
    while len(taken) < count:
        taken = list(_pair(rng, distance))
        room = np.argwhere(np.ones((SIDE - MARK + 1,) * 2))
        for other in taken:
            room = room[np.hypot(*(room - other).T) <= distance]
        while len(taken) < count:
            for other in taken:
                room = room[np.abs(room - other).max(axis=1) > MARK]
            if not len(room):  # draw another pair
                break
            taken.append(rng.choice(room))
    picture = np.zeros((SIDE, SIDE), dtype=np.float32)
    for corner in taken:
        _mark(picture, corner, upright=True)
    return picture


def draw_path(rng: np.random.Generator, distance: float, yes: bool) -> Picture:
    """A thin bent path from bar to bar, and a third bar aside. Yes: its ends are alike."""
    picture = np.zeros((SIDE, SIDE), dtype=np.float32)
    first, second = _pair(rng, distance)
    upright = bool(rng.integers(2))
    middle = MARK // 2
    (top, left), (bottom, right) = first + middle, second + middle
    picture[min(top, bottom) : max(top, bottom) + 1, left] = 0.5
    picture[bottom, min(left, right) : max(left, right) + 1] = 0.5
    for corner, kind in ((first, upright), (second, upright == yes)):
        picture[corner[0] : corner[0] + MARK, corner[1] : corner[1] + MARK] = 0
        _mark(picture, corner, kind)
    for _ in range(50):
        corner = rng.integers(0, SIDE - MARK + 1, 2)
        row, column = corner
        if not picture[
            max(0, row - 1) : row + MARK + 1, max(0, column - 1) : column + MARK + 1
        ].any():
            _mark(picture, corner, bool(rng.integers(2)))
            break
    return picture


def draw_line(rng: np.random.Generator, distance: float, yes: bool) -> Picture:
    """A line that goes behind a wall and one that comes out beyond it. Yes: they are one line."""
    picture = np.zeros((SIDE, SIDE), dtype=np.float32)
    wall = round(distance)
    start = (SIDE - wall) // 2
    rows = SIDE - 16  # in which lines lie
    at = int(rng.integers(rows))
    # round the end of them, so that each line by itself lies anywhere alike, whatever the answer
    beyond = at if yes else (at + int(rng.choice((-6, -4, 4, 6)))) % rows
    for row, part in ((at + 8, picture[:, :start]), (beyond + 8, picture[:, start + wall :])):
        part[row - 1 : row + 1] = 1
    picture[:, start : start + wall] = 0.5
    return picture if rng.integers(2) else picture.T.copy()


TASKS: dict[str, Draw] = {
    "same": draw_same,
    "count": draw_count,
    "path": draw_path,
    "line": draw_line,
}


@dataclass(frozen=True)
class Probe:
    """What is trained, and how."""

    task: str = "same"
    blocks: int = 2
    width: int = 24
    steps: int = 300
    batch: int = 64
    rate: float = 3e-3
    seed: int = 0
    tests: int = 200  # pictures in each bin of distances

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"there is no task {self.task!r}; tasks are {', '.join(TASKS)}.")
        for name, least in (("blocks", 1), ("width", 1), ("steps", 6), ("batch", 1), ("tests", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` (={getattr(self, name)}) must be at least {least}.")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"`seed` (={self.seed}) must be from 0 to below 2^31.")

    def network(self, mixer: Mixer) -> NetworkConfig:
        """One stage of blocks on a 12 x 12 grid, with the options of the trained twins."""
        return NetworkConfig(
            blocks=(self.blocks,), widths=(self.width,), mixers=(mixer,), expansion=2,
            stem_width=self.width, heads=4, num_classes=2, input_size=SIDE,
            projection_norm="rms", relative_init="local",
        )  # fmt: skip

    def sees(self, mixer: Mixer) -> int | None:
        """Pixels across that a unit of the last layer sees; None for the whole picture."""
        model = ResNet(self.network(mixer), seed=0)  # leaves torch's random numbers as they are
        return field_of(model, f"1.{self.blocks}", (5, 5), (SIDE, SIDE)).side[0]


@dataclass(frozen=True)
class Progress:
    """Where a run stands; the last one of a run has the accuracies."""

    mixer: Mixer
    step: int
    steps: int
    loss: float
    # for each of BINS: share of right answers and its 95 % interval; empty until the end
    accuracy: list[tuple[float, float, float]] = field(default_factory=list)


def pictures(
    task: str, count: int, rng: np.random.Generator, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Pictures of a task at distances drawn evenly from low to high.

    Returns:
        (count, 3, SIDE, SIDE) float32 of mean about 0, and (count,) answers, 1 for yes.
    """
    answers = rng.integers(0, 2, count)
    distances = rng.uniform(low, high, count)
    drawn = [TASKS[task](rng, d, bool(a)) for d, a in zip(distances, answers, strict=True)]
    x = torch.from_numpy(np.stack(drawn))[:, None].expand(-1, 3, -1, -1)
    return (x - 0.05) * 3, torch.from_numpy(answers)


def examples(task: str, seed: int = 0) -> list[tuple[float, bool, Picture]]:
    """(distance, answer, picture) of both answers at the shortest distance and at the longest."""
    rng = np.random.default_rng(seed)
    return [
        (distance, yes, TASKS[task](rng, distance, yes))
        for distance in (NEAREST, FARTHEST)
        for yes in (True, False)
    ]


def fitting(task: str, side: int) -> tuple[float, float]:
    """How far apart what decides may be to lie whole inside a square.

    Args:
        task: one of `TASKS`.
        side: of the square in pixels.

    Returns:
        The distance along a row or a column, and the longest in any direction.
    """
    if task == "line":  # goes along a row or a column, and shows itself by one pixel
        return side - 2, side - 2
    return side - MARK, (side - MARK) * math.sqrt(2)


def _farthest(done: float) -> float:
    """Up to which distance pictures are drawn after a share of the training.

    Near ones come first. With all distances from the start a network that cannot see far learns
    nothing at all, not even what it could, since most of what it is shown is a riddle to it.
    """
    return BINS[0][1] + (FARTHEST - BINS[0][1]) * min(max((done - 0.5) / 0.3, 0.0), 1.0)


def run(probe: Probe, mixer: Mixer) -> Iterator[Progress]:
    """Train one twin and measure it, in steps; to cancel, stop iterating.

    Twins of one probe see the same pictures in the same order.
    """
    model = ResNet(probe.network(mixer), seed=probe.seed)
    optimizer = torch.optim.AdamW(model.parameters(), probe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, probe.rate, total_steps=probe.steps, pct_start=0.2
    )
    rng = np.random.default_rng(probe.seed)
    for step in range(1, probe.steps + 1):
        with torch.enable_grad():
            farthest = _farthest(step / probe.steps)
            x, answers = pictures(probe.task, probe.batch, rng, NEAREST, farthest)
            loss = nn.functional.cross_entropy(model(x), answers)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield Progress(mixer, step, probe.steps, loss.item())
    model.eval()
    test = np.random.default_rng(probe.seed + 1)  # other pictures than those of training
    accuracy = []
    with torch.inference_mode():
        for low, high in BINS:
            x, answers = pictures(probe.task, probe.tests, test, low, high)
            share = share_of(model(x).argmax(1) == answers)
            interval = wilson(share, probe.tests)
            accuracy.append((share, interval[0], interval[1]))
    yield Progress(mixer, probe.steps, probe.steps, loss.item(), accuracy)
