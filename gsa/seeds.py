"""Results of one recipe with several seeds: how much of a difference is chance.

The checkpoint that is shipped has the recipe's own seed, so it is not the best of several. Of the
other seeds the cards are kept, without weights, in a folder of their own. `gsa.report` prints what
this module says of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from gsa.card import Card, CheckpointError
from gsa.checkpoints import read_card
from gsa.recipe import Recipe

_STEPS = 10_000  # of an integral
_FEWEST = 3  # seeds of each twin that a test is worth the name with


def seeds_folder(checkpoints: Path) -> Path:
    """Where the cards of further seeds lie."""
    return checkpoints / "seeds"


def cards_of_seeds(card: Card, checkpoints: Path) -> list[Card]:
    """A checkpoint's card and those of the same recipe with other seeds, by seed.

    Raises:
        CheckpointError: if one of them was made by another recipe, from another start or with other
            teachers, say before a change of it.
    """
    folder = seeds_folder(checkpoints)
    cards = [card]
    for path in folder.glob(f"{card.name}_s[0-9]*.json"):
        other = read_card(path.stem, folder)
        if _but_seed(other) != _but_seed(card):
            raise CheckpointError(
                f"{path.name} has another recipe, start or teachers than {card.name!r}; train it "
                "again or remove it."
            )
        cards.append(other)
    return sorted(cards, key=lambda each: int(each.recipe["seed"]))


def _but_seed(card: Card) -> tuple[Recipe, str | None, list[str]]:
    recipe = Recipe(**{**card.recipe, "seed": 0})  # fields that are younger have their defaults
    training = card.training
    return recipe, training.get("start_sha256"), training.get("teachers_sha256", [])


@dataclass(frozen=True)
class Scatter:
    """Top-1 over seeds, as shares."""

    mean: float
    deviation: float  # standard deviation over seeds; NaN of one
    n: int  # seeds

    @classmethod
    def of(cls, cards: list[Card]) -> Scatter:
        """Over the cards of one recipe."""
        top1 = [float(card.results["top1"]) for card in cards]
        return cls(fmean(top1), stdev(top1) if len(top1) > 1 else math.nan, len(top1))


@dataclass(frozen=True)
class Difference:
    """How far one mixer is ahead of the other, and by how much chance alone moves that."""

    gain: float  # difference of the means, as a share
    error: float  # standard error of the difference, as Welch has it; NaN if not known
    freedom: float  # degrees of freedom of that error, by Welch and Satterthwaite; NaN likewise

    @classmethod
    def between(cls, one: Scatter, other: Scatter) -> Difference:
        """`one` less `other`, whose seeds are independent."""
        variances = [each.deviation**2 / each.n for each in (one, other)]
        total = sum(variances)
        if not total > 0:  # unknown, or seeds that all came to the same
            return cls(one.mean - other.mean, math.sqrt(total), math.nan)
        parts = zip(variances, (one.n, other.n), strict=True)
        freedom = total**2 / sum(variance**2 / (n - 1) for variance, n in parts)
        return cls(one.mean - other.mean, math.sqrt(total), freedom)

    @property
    def p_value(self) -> float:
        """Probability of so large a difference where there is none: Welch's t test, two-sided.

        NaN where no scatter is known. Student's density of t = √ν tan θ is in proportion to
        cos(θ) to the power ν - 1, whose part beyond the difference is summed by the midpoint rule.
        """
        if math.isnan(self.freedom):
            return math.nan
        start = math.atan(abs(self.gain) / self.error / math.sqrt(self.freedom))

        def beyond(first: float) -> float:
            middles = first + (np.arange(_STEPS) + 0.5) * (math.pi / 2 - first) / _STEPS
            powers = np.cos(middles) ** (self.freedom - 1)
            return float(powers.mean() * (math.pi / 2 - first))

        return beyond(start) / beyond(0.0)


def verdict(gsa: list[Card], conv: list[Card]) -> str:
    """Who is ahead, by how much, and how often chance alone would do that.

    Args:
        gsa: cards of one twin, as `cards_of_seeds` gives them.
        conv: those of the other.
    """
    one, other = Scatter.of(gsa), Scatter.of(conv)
    difference = Difference.between(one, other)
    word = "ahead of" if difference.gain > 0 else "behind"
    points = f"{abs(difference.gain) * 100:.1f}"
    place = "level with" if points == "0.0" else f"{points} points {word}"
    several = math.isfinite(difference.error)
    by_mean = f" (means over {one.n} and {other.n} seeds)" if several else ""
    return (
        f"**GSA is {place} its conv twin** in top-1"
        f"{by_mean}, with {gsa[0].params / conv[0].params:.2f} of its parameters and "
        f"{gsa[0].flops / conv[0].flops:.2f} of its operations. The intervals above are for the "
        f"drawing of pictures; {_chance(difference, min(one.n, other.n))}"
        f"{_of_one_start(gsa[0]) if several else ''}"
    )


def _chance(difference: Difference, seeds: int) -> str:
    """What the seeds, so many of the twin that has fewer, say of a difference."""
    if not math.isfinite(difference.error):
        return "there is one seed, so how far seeds scatter is not known."
    error = (
        "by the seeds alone the difference of these means has a standard error of "
        f"{difference.error * 100:.1f} points"
    )
    if seeds < _FEWEST:
        return f"{error}, and two seeds say little."
    if math.isnan(difference.p_value):  # each twin came to the same with all its seeds
        return f"{error}."
    return (
        f"{error}, and where there is none, one as large comes with probability "
        f"{difference.p_value:.2g} (Welch's t test)."
    )


def _of_one_start(card: Card) -> str:
    if not card.recipe.get("init_from"):
        return ""
    return " The runs of a twin start from the same weights, so how others scatter is not in it."


def each_seed(gsa: list[Card], conv: list[Card]) -> str:
    """A table with a row for each mixer, as Markdown; empty where there is one seed of both."""
    if len(gsa) == len(conv) == 1:
        return ""
    rows = []
    for cards in (gsa, conv):
        scatter = Scatter.of(cards)
        spread = f" ± {scatter.deviation:.1%}" if scatter.n > 1 else ""
        each = ", ".join(f"{card.results['top1']:.1%} ({card.recipe['seed']})" for card in cards)
        rows.append(f"| {cards[0].mixer} | {scatter.mean:.1%}{spread} | {each} |")
    head = "| mixer | top-1, mean ± standard deviation | of each seed |\n|---|---|---|"
    return "\n".join([head, *rows])
