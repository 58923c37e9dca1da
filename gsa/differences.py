"""What each of two networks gets right on the same pictures, and where they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gsa.checkpoints import Checkpoint
from gsa.evaluate import calibration_error, logits_of, wilson
from gsa.samples import NO_PICTURE, Pixels, portions
from gsa.split import Split

_STEP = 16  # pictures between two reports of progress
_BINS = 10  # of confidence, for the calibration curve


class Bin(NamedTuple):
    """Answers that the network was about as sure of."""

    confidence: float  # mean
    right: float  # share
    low: float  # 95 % Wilson interval of the share
    high: float
    n: int

    @classmethod
    def of(cls, answers: list[tuple[float, bool]]) -> Bin:
        """Of the confidence of each answer and whether it was right, at least one."""
        n = len(answers)
        share = sum(right for _, right in answers) / n
        low, high = wilson(share, n)
        return cls(sum(confidence for confidence, _ in answers) / n, share, low, high, n)


@dataclass(frozen=True)
class Answers:
    """What one network said of every picture."""

    checkpoint: str
    guesses: tuple[str, ...]
    confidence: tuple[float, ...]  # calibrated probability of the guess
    right: tuple[bool, ...]
    calibration_error: float  # as of `gsa.evaluate`

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """Share of right answers and its 95 % Wilson interval."""
        share = sum(self.right) / len(self.right)
        low, high = wilson(share, len(self.right))
        return share, low, high

    def calibration(self) -> list[Bin]:
        """The bins of confidence that have any answers."""
        bins: dict[int, list[int]] = {}
        for at, value in enumerate(self.confidence):
            bins.setdefault(min(int(value * _BINS), _BINS - 1), []).append(at)
        return [
            Bin.of([(self.confidence[i], self.right[i]) for i in inside])
            for _, inside in sorted(bins.items())
        ]

    def confused(self, labels: tuple[str, ...], most: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent mistakes: right class, guess, number."""
        pairs = Counter(
            (label, guess)
            for label, guess, right in zip(labels, self.guesses, self.right, strict=True)
            if not right
        )
        return [(label, guess, n) for (label, guess), n in pairs.most_common(most)]


@dataclass(frozen=True)
class ClassDifference:
    """One class: its pictures, and how many each network gets right."""

    label: str
    n: int
    first: int
    second: int


@dataclass(frozen=True)
class Differences:
    """Two networks on the same pictures."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    first: Answers
    second: Answers

    @property
    def only_first(self) -> list[int]:
        """Positions of the pictures that the first network alone gets right."""
        return self._only(self.first, self.second)

    @property
    def only_second(self) -> list[int]:
        """Positions of the pictures that the second network alone gets right."""
        return self._only(self.second, self.first)

    def _only(self, one: Answers, other: Answers) -> list[int]:
        pairs = zip(one.right, other.right, strict=True)
        return [at for at, (mine, its) in enumerate(pairs) if mine and not its]

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that neither network is better; 1 where they never differ."""
        a, b = len(self.only_first), len(self.only_second)
        tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
        return min(1.0, 2 * tail)

    def classes(self) -> list[ClassDifference]:
        """Every class there are pictures of, those best for the first network first."""
        found = []
        for label in dict.fromkeys(self.labels):
            inside = [at for at, each in enumerate(self.labels) if each == label]
            first, second = (
                sum(answers.right[at] for at in inside) for answers in (self.first, self.second)
            )
            found.append(ClassDifference(label, len(inside), first, second))
        return sorted(found, key=lambda c: ((c.second - c.first) / c.n, c.label))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "n": len(self.names),
            "p_value": self.p_value,
            "networks": [
                {
                    "checkpoint": answers.checkpoint,
                    "top1": answers.accuracy[0],
                    "top1_interval": list(answers.accuracy[1:]),
                    "calibration_error": answers.calibration_error,
                    "calibration": [each._asdict() for each in answers.calibration()],
                    "confused": [
                        {"label": label, "guess": guess, "n": n}
                        for label, guess, n in answers.confused(self.labels)
                    ],
                    # pictures of several classes may have one name
                    "right_alone": [f"{self.labels[at]}/{self.names[at]}" for at in alone],
                }
                for answers, alone in (
                    (self.first, self.only_first),
                    (self.second, self.only_second),
                )
            ],
            "classes": [asdict(each) for each in self.classes()],
        }


def compare(
    first: Checkpoint, second: Checkpoint, sample: Split, pixels: Pixels | None = None
) -> Iterator[tuple[float, Differences | None]]:
    """Ask two networks about every picture.

    Args:
        first: a network.
        second: another that knows the same classes.
        sample: pictures, at least one.
        pixels: what `samples.prepare` gave at its end; by default a few pictures are decoded at a
            time, and no more are held.

    Yields:
        (share that is done, None) on the way, and at the end (1, what was found).

    Raises:
        ValueError: if there is no picture or the networks know different classes; DataError for
            a picture that cannot be used.
    """
    if set(first.labels) != set(second.labels):
        raise ValueError(f"{first.card.name!r} and {second.card.name!r} know different classes.")
    if not len(sample):
        raise ValueError(NO_PICTURE)
    said: dict[Checkpoint, list[Tensor]] = {first: [], second: []}
    done = 0
    for portion in _portions((first, second), sample, pixels):
        for checkpoint, parts in said.items():
            parts.append(logits_of(checkpoint, portion[checkpoint.preprocess]))
        done += len(portion[first.preprocess])
        yield done / len(sample), None
    one, other = (
        _answers(checkpoint, torch.cat(said[checkpoint]), sample.answers)
        for checkpoint in (first, second)
    )
    yield 1.0, Differences(sample.names, sample.answers, one, other)


def _portions(
    checkpoints: tuple[Checkpoint, ...], sample: Split, pixels: Pixels | None
) -> Iterator[Pixels]:
    """A few pictures at a time, as the networks see them."""
    if pixels is None:
        yield from portions(checkpoints, sample)
        return
    for start in range(0, len(sample), _STEP):
        yield {preprocess: crops[start : start + _STEP] for preprocess, crops in pixels.items()}


def _answers(checkpoint: Checkpoint, scores: Tensor, labels: tuple[str, ...]) -> Answers:
    targets = torch.tensor([checkpoint.labels.index(label) for label in labels])
    probabilities = (scores / checkpoint.card.temperature).softmax(1)
    confidence, best = probabilities.max(1)
    return Answers(
        checkpoint.card.name,
        guesses=tuple(checkpoint.labels[at] for at in best.tolist()),
        confidence=tuple(confidence.tolist()),
        right=tuple((best == targets).tolist()),
        calibration_error=calibration_error(probabilities, targets),
    )
