"""The maps of the place beside their companions: of changed pictures, of networks without learning.

Numbers alone; `app.sections.stable` draws them and `app.section_files` puts them into files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from app import experiments, panels
from app.drawing import View
from app.panels import Panel
from app.text import words
from gsa import stability
from gsa.baselines import edge_map
from gsa.maps import Branch, branches
from gsa.ranges import two_digits
from gsa.record import Array

text = words("look")
AT_RANDOM = ("untrained", "shuffled")  # companions that are drawn; the first is shown
DRAWS = 3  # a single one may agree by luck


@dataclass(frozen=True)
class Beside:
    """A map in a row of companions."""

    title: str
    id_: str  # which map it is, by a short name
    panel: Panel  # at the scale that was chosen
    notes: tuple[str, ...]  # lines below it


def rows(view: View) -> dict[Branch, list[Beside]]:
    """The map of the chosen place in the chosen layer, first, and its companions, by branch.

    A shared scale ends at the peak of the map as it is: that one is always drawn in full, and what
    is stronger in a companion gets the strongest colour and is counted. The peak of all
    would leave the others dark where one companion is bright.
    """
    chosen = replace(view.chosen, direction="from")
    shared = chosen.companion_scale == "shared"
    found: dict[Branch, list[Beside]] = {}
    for branch in branches(view.gsa.recording[view.layer]):
        own = panels.shown(view.gsa.recording, view.layer, branch, chosen, chosen.heads)
        found[branch] = [Beside(text["trained"], "trained", own, notes(own))]
        for kind, title in text["companions"].items():
            drawn = [
                panels.combine(_weights(view, branch, own, kind, seed), chosen.heads)
                for seed in range(DRAWS if kind in AT_RANDOM else 1)
            ]
            other = panels.with_map(own, drawn[0], chosen.value)
            if shared:
                other = replace(other, limit=own.limit)
            said = agreement(own.shown, *(panels.as_shown(w, chosen.value) for w in drawn))
            found[branch].append(Beside(title, kind, other, (*notes(other), said)))
    return found


def sentences(view: View, found: dict[Branch, list[Beside]]) -> str:
    """What is to be said of `rows`: their scale, what they should be like, and the edges."""
    edges = _edges(view)
    likeness = [
        text["edges"].format(
            branch=text[branch], correlation=agreement(np.abs(row[0].panel.shown), edges)
        )
        for branch, row in found.items()
    ]
    scale = text["companion_scale_words"][view.chosen.companion_scale]
    return " ".join([scale, text["stable_words"].format(draws=DRAWS), *likeness])


def agreement(first: Array, *others: Array) -> str:
    """How well a map agrees with another, in words, and in how many cells if that one lacks some.

    With several draws of the other: the mean, the least and the largest.
    """
    found = [stability.correlation(first, other) for other in others]
    if not all(map(math.isfinite, found)):
        return text["no_correlation"]
    count = int(np.isfinite(first + others[0]).sum())
    part = "correlation_draws" if len(found) > 1 else "correlation_part"
    words_ = text["correlation" if len(found) == 1 and count == first.size else part]
    return words_.format(
        correlation=np.mean(found), low=min(found), high=max(found), count=count, cells=first.size
    )


def notes(panel: Panel) -> tuple[str, ...]:
    """The peak of a map in a row, and how much of it is beyond the row's scale."""
    said = [text["peak"].format(peak=two_digits(panel.peak))]
    if beyond := int((np.abs(panel.shown) > panel.limit).sum()):
        said.append(text["beyond"].format(count=beyond, cells=panel.shown.size))
    return tuple(said)


def _weights(view: View, branch: Branch, panel: Panel, kind: str, seed: int) -> Array:
    """The map of all heads (h, y, x) in a companion, laid over the map itself.

    The seed is that of a network without learning.
    """
    layer, cells = view.layer, panel.cells
    of = panels.map_of(replace(view.chosen, direction="from"))
    if kind == "mirrored":
        across = stability.turn_of(cells, panel.grid)
        recording = experiments.companion(view.gsa, kind, (0, across))
        return stability.mirrored_map(recording, layer, branch, cells, of)
    if kind == "moved":
        step = stability.step_of(cells, (panel.grid.rows, panel.grid.columns))
        tall, wide = stability.spacing(panel.grid)
        pixels = (step[0] * tall, step[1] * wide)
        recording = experiments.companion(view.gsa, kind, pixels)
        return stability.moved_map(recording, layer, branch, cells, step, of)
    return of(experiments.companion(view.gsa, kind, seed=seed)[layer], branch, cells)


def _edges(view: View) -> Array:
    """The picture's edges, averaged over the cells of the layer."""
    grid = view.gsa.recording.grid(view.layer)
    brightness = np.asarray(view.gsa.crop.convert("L"), dtype=np.float64)
    edges = edge_map(brightness)
    tall, wide = (int(side) for side in grid.cell)
    blocks = edges[: grid.rows * tall, : grid.columns * wide]
    return blocks.reshape(grid.rows, tall, grid.columns, wide).mean(axis=(1, 3))
