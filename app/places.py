"""The maps of the place beside those of another one: what goes along, what stays in the picture.

Numbers alone; `app.sections.places` draws them and `app.section_files` puts them into files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from app import panels
from app.companions import Beside, agreement, notes
from app.drawing import View
from app.panels import Panel
from app.text import words
from gsa import stability
from gsa.maps import Branch, branches
from gsa.record import Array

text = words("look")
FEWEST = 8  # cells that two maps must share: of two cells any two maps agree fully, or not at all


@dataclass(frozen=True)
class Alike:
    """Pearson's correlation of both places' maps in one layer and branch.

    None where both places cover the same cells, which have one map, where a map is the same
    everywhere, or where they share fewer than `FEWEST` cells.
    """

    layer: str
    branch: str
    lie: float | None  # as the maps lie
    over: float | None  # the other one moved by whole cells, so that the places coincide
    both: int  # cells that both have then
    cells: int


def rows(view: View) -> dict[Branch, list[Beside]]:
    """In the chosen layer: the map of the place, the other's, and that laid over the first.

    A shared scale ends at the peak of the first, as `app.companions.rows` has it.
    """
    titles: dict[str, str] = text["places"]
    found: dict[Branch, list[Beside]] = {}
    for (layer, branch), (own, other) in _pairs(view).items():
        if layer != view.layer:
            continue
        three = {"own": own, "other": other, "over": _over(view, own, other)}
        same = own.cells == other.cells
        found[branch] = []
        for id_, panel in three.items():
            shared = view.chosen.companion_scale == "shared"
            drawn = replace(panel, limit=own.limit if shared else panel.limit)
            said = notes(drawn)
            if id_ != "own":
                few = np.isfinite(drawn.shown).sum() < FEWEST
                none = text["same_cells"] if same else text["few_cells"].format(fewest=FEWEST)
                said += (none if same or few else agreement(own.shown, drawn.shown),)
            found[branch].append(Beside(titles[id_], id_, drawn, said))
    return found


def alike(view: View) -> list[Alike]:
    """How far the maps of both places agree, in every layer and branch."""
    found = []
    for (layer, branch), (own, other) in _pairs(view).items():
        over = _over(view, own, other).shown
        lies, overs = (_correlation(own, other, each) for each in (other.shown, over))
        found.append(
            Alike(
                layer,
                branch,
                lies,
                overs,
                int(np.isfinite(over).sum()),
                over.size,
            )
        )
    return found


def _correlation(own: Panel, other: Panel, shown: Array) -> float | None:
    """That of the place's map with the other's, which is `shown`, as `Alike` has it."""
    if own.cells == other.cells or np.isfinite(shown).sum() < FEWEST:
        return None
    found = stability.correlation(own.shown, shown)
    return found if math.isfinite(found) else None


def _pairs(view: View) -> dict[tuple[str, Branch], tuple[Panel, Panel]]:
    """The map of the place and that of the other one, each at a scale of its own.

    By layer and branch.
    """
    recording = view.gsa.recording
    names = [(layer, branch) for layer in recording.layers for branch in branches(recording[layer])]
    here, there = (
        [replace(panel, limit=panel.peak or 1.0) for panel in found]
        for found in (view.found, panels.all_layers(recording, view.chosen.other))
    )
    return dict(zip(names, zip(here, there, strict=True), strict=True))


def _step(view: View, panel: Panel) -> tuple[int, int]:
    """(down, across) in cells from the other place to the place; of rectangles, their middles."""
    here, there = (each.point(panel.grid) for each in (view.chosen, view.chosen.other))
    return here[0] - there[0], here[1] - there[1]


def _over(view: View, own: Panel, other: Panel) -> Panel:
    """The map of the other place, moved so that it lies on the place; its figures stay."""
    shown = stability.shifted(other.shown, *_step(view, own))
    peak = float(np.nanmax(np.abs(shown)))
    return replace(other, shown=shown, peak=peak, limit=peak or 1.0, cells=own.cells)
