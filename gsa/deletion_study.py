"""Class attributions of twins over many pictures, each put to the deletion test.

One picture says little: what passes on it may fail on the next. Every network is asked about the
class that it gives itself, and every map of it must beat orders at random, the edges of the picture
and nearness to its middle, none of which knows the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from torch import Tensor

from gsa.attribution import attribute, check_method
from gsa.baselines import CONTROLS
from gsa.checkpoints import Checkpoint
from gsa.evaluate import wilson
from gsa.faithfulness import by_chance, deletion
from gsa.interventions import probabilities


@dataclass(frozen=True)
class Judged:
    """The deletion test of one method, of one network, on one picture."""

    checkpoint: str
    mixer: str
    picture: str
    label: str  # the class that is explained, the network's own first one
    probability: float  # of it in the whole picture
    method: str
    area: float  # under the deletion curve, from 0 to 1: lower is better
    random_area: float  # mean of the orders at random
    beaten: float  # share of the orders at random whose area is larger
    beats: tuple[str, ...]  # the controls whose area is larger

    @property
    def passed(self) -> bool:
        """Whether it beats every order at random and every control but itself."""
        return self.beaten == 1 and {*CONTROLS} <= {*self.beats, self.method}

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"beats": list(self.beats), "passed": self.passed}


def judge(
    checkpoint: Checkpoint, name: str, x: Tensor, methods: Sequence[str], effort: int = 32
) -> list[Judged]:
    """Test the methods on one picture; the controls come last.

    Args:
        checkpoint: GSA or conv.
        name: of the picture.
        x: (1, 3, rows, columns), from `Preprocess.tensor`.
        methods: of `gsa.attribution.METHODS`; the controls may be among them.
        effort: as for `gsa.attribution.attribute`.

    Raises:
        ValueError: for an unknown method, or if `x` is not one picture.
    """
    asked = [*dict.fromkeys(each for each in methods if each not in CONTROLS), *CONTROLS]
    for method in asked:  # found wrong now, and not after the others
        check_method(method)
    model = checkpoint.model
    first = probabilities(model, model.prepared(x, single=True), checkpoint.card.temperature)[0]
    target = int(first.argmax())
    curves = {}
    for method in asked:
        found = attribute(checkpoint, x, target, method, effort=effort)
        curves[method] = deletion(checkpoint, x, target, found.values)
    chance = by_chance(checkpoint, x, target)
    return [
        Judged(
            checkpoint=checkpoint.card.name,
            mixer=checkpoint.card.mixer,
            picture=name,
            label=checkpoint.labels[target],
            probability=float(first[target]),
            method=method,
            area=curve.area,
            random_area=chance.area,
            beaten=fmean(curve.area < area for area in chance.areas),
            beats=tuple(
                control
                for control in CONTROLS
                if control != method and curve.area < curves[control].area
            ),
        )
        for method, curve in curves.items()
    ]


def summary(rows: Sequence[Judged]) -> list[dict[str, Any]]:
    """Each method of each network over all of its pictures, in the order of the rows.

    Returns:
        `checkpoint`, `mixer`, `method`, `n` pictures; means over them of `area`, `random_area` and
        `beaten`; the share of them on which it `beats` each control but itself, and on which it
        `passed`, with the latter's 95 % `interval` (Wilson).
    """
    groups: dict[tuple[str, str], list[Judged]] = {}
    for row in rows:
        groups.setdefault((row.checkpoint, row.method), []).append(row)
    found = []
    for (checkpoint, method), of in groups.items():
        passed = fmean(row.passed for row in of)
        found.append(
            {
                "checkpoint": checkpoint,
                "mixer": of[0].mixer,
                "method": method,
                "n": len(of),
                "area": fmean(row.area for row in of),
                "random_area": fmean(row.random_area for row in of),
                "beaten": fmean(row.beaten for row in of),
                "beats": {
                    control: fmean(control in row.beats for row in of)
                    for control in CONTROLS
                    if control != method
                },
                "passed": passed,
                "interval": wilson(passed, len(of)),
            }
        )
    return found
