"""How costs grow with the input: exponents, and where one series overtakes another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from gsa.scaling import Cost

FIT_FROM = 3  # so many of the largest sizes of a series its exponent is fitted to, at most
_PARTS = {"gsa": ("content", "positional")}  # of the mixers
_ALIKE = 0.05  # memory is measured once: a difference up to this share of it says nothing


def exponent(costs: Sequence[Cost], figure: str = "seconds") -> float:
    """P of the fit cost = a · pixelsᵖ to the largest sizes of one series, on logarithmic axes.

    Small sizes are left out where they can be, since what a call costs whatever its size hides
    the growth there. NaN with fewer than two sizes.
    """
    points = [(c.pixels, getattr(c, figure)) for c in costs if not math.isnan(getattr(c, figure))]
    points = sorted(point for point in points if point[1] > 0)[-FIT_FROM:]
    if len({pixels for pixels, _ in points}) < 2:
        return math.nan
    pixels, values = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(pixels, values, 1)[0])


@dataclass(frozen=True)
class Crossover:
    """Where one series overtakes another."""

    cheaper_below: str
    cheaper_above: str
    size: float  # side of the input in pixels, between two measured sizes


def crossovers(costs: Sequence[Cost], figure: str = "seconds") -> list[Crossover]:
    """Every point between two sizes at which two series of costs change places.

    Only sizes at which two costs are further apart than they scatter say that there is one, and a
    whole is not held against its own parts, which it cannot overtake. The point is where straight
    lines between all measurements meet, on logarithmic axes.
    """
    series: dict[str, dict[int, Cost]] = {}
    for cost in costs:
        if getattr(cost, figure) > 0:  # neither left out nor nothing
            series.setdefault(cost.name, {})[cost.size] = cost
    found = []
    for first, second in combinations(series, 2):
        if second in _PARTS.get(first, ()) or first in _PARTS.get(second, ()):
            continue
        shared = sorted(set(series[first]) & set(series[second]))
        gap = {
            size: math.log(getattr(series[first][size], figure))
            - math.log(getattr(series[second][size], figure))
            for size in shared
        }
        sure = [s for s in shared if _told_apart(series[first][s], series[second][s], figure)]
        for near, far in pairwise(sure):
            if gap[near] * gap[far] < 0:
                below, above = (first, second) if gap[near] < 0 else (second, first)
                between = {size: gap[size] for size in shared if near <= size <= far}
                found.append(Crossover(below, above, _meeting(between)))
    return found


def _meeting(gap: dict[int, float]) -> float:
    """The first size at which a gap, given at some sizes, is none; its sign must change."""
    for (near, before), (far, after) in pairwise(gap.items()):
        if before * after <= 0:
            return float(near * (far / near) ** (before / (before - after)))
    raise ValueError("the gap has one sign at all sizes.")


def _told_apart(one: Cost, other: Cost, figure: str) -> bool:
    """Whether two costs differ, times by more than they scatter, memory by more than a little."""
    scatter = 0.0  # of operations, which are counted
    if figure == "peak_bytes":
        scatter = _ALIKE * min(one.peak_bytes, other.peak_bytes)
    if figure == "seconds":  # a pass so slow that it ran once scatters little
        scatter = sum(each.spread for each in (one, other) if not math.isnan(each.spread))
    return bool(abs(getattr(one, figure) - getattr(other, figure)) > scatter)
