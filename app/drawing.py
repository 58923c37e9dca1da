"""Panels as the strip component takes them: colours, figures below, and the map in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import resources
from app.experiments import Explained
from app.figures import raster
from app.panels import Panel
from app.resources import Seen
from app.selection import Selection
from app.state import Picture
from app.text import words
from gsa.faithfulness import Chance
from gsa.ranges import two_digits

text = words("look")
WEAK = 0.15  # below this share of its scale, a map's own peak is said too


@dataclass(frozen=True)
class View:
    """What the page shows: a picture as both twins saw it, the selection, and a layer of it."""

    seen: dict[str, Seen]  # by mixer
    picture: Picture
    chosen: Selection
    layer: str
    found: list[Panel]  # the maps of all layers

    @property
    def gsa(self) -> Seen:
        """What the GSA network saw."""
        return self.seen["gsa"]


def head_names(heads: int) -> dict[str, str]:
    """What `Selection.heads` may say in a layer of so many heads, in words."""
    ways = {"mean": "head_mean", "absolute": "head_absolute", "max": "head_max"}
    names = {way: text[key] for way, key in ways.items()}
    return names | {str(head): text["head_one"].format(head=head + 1) for head in range(heads)}


def beneath(seen: Seen, chosen: Selection) -> str:
    """URL of what lies beneath the maps; empty for nothing."""
    return resources.data_url(seen.crop) if chosen.beneath else ""


def drawn(
    panel: Panel,
    chosen: Selection,
    *,
    id_: str,
    title: str,
    extra: Sequence[str] = (),
    marked: bool = False,
    source: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """A panel as the strip component takes it.

    Args:
        panel: the map.
        chosen: says what lies beneath.
        id_: what a click on it leaves.
        title: above the map.
        extra: more lines below it.
        marked: whether it is the chosen one.
        source: (row, column) of a second cell to mark.
    """
    notes = [text["zero"] if panel.zero else scale(panel.limit, signed=panel.signed)]
    if math.isfinite(panel.measures.mean_distance):
        notes.append(text["far"].format(distance=panel.measures.mean_distance))
    weak = not panel.zero and panel.peak < WEAK * panel.limit
    peak = text["peak"].format(peak=two_digits(panel.peak))
    last = [peak] if weak and peak not in extra else []
    rows, columns = panel.grid.rows, panel.grid.columns
    second = (
        [source[1] / columns, source[0] / rows, 1 / columns, 1 / rows] if source is not None else []
    )
    return {
        "id": id_,
        "title": title,
        "url": map_url(panel, see_through=chosen.beneath),
        "cell": panel.box,
        "source": second,
        "alt": alternative(panel),
        "notes": [*notes, *extra, *last],
        "chosen": marked,
    }


def map_url(panel: Panel, *, see_through: bool) -> str:
    """The map of a panel as a picture, opaque or to lie over another one."""
    weights = panel.shown * (not panel.zero)
    rgba = raster.coloured(
        weights, panel.limit, signed=panel.signed, see_through=see_through, root=panel.root
    )
    return raster.png_url(rgba)


def meaning(value: str, *, signed: bool) -> str:
    """What the numbers of a map are.

    Args:
        value: as `Selection.value`.
        signed: whether they can be negative: the sizes that heads are combined to cannot.
    """
    sizes = value == "weight" and not signed
    return str(text["figure_values"]["absolute" if sizes else value])


def scale(limit: float, *, signed: bool) -> str:
    """Where the colours of a map end."""
    return f"{'±' if signed else '0 – '}{two_digits(limit)}"


def explained_notes(
    found: Mapping[tuple[str, str], Explained], method: str, mixer: str, chance: Chance
) -> list[str]:
    """What is said below an attribution: how it does in its test, and what its sum misses.

    Args:
        found: attributions of one class by method and mixer, the controls among them.
        method: whose map it is.
        mixer: of its network.
        chance: the same test of blocks at random, for the same network and class.
    """
    from gsa.baselines import CONTROLS  # with captum, which is there once one is drawn

    each = found[method, mixer]
    beaten = sum(each.deletion.area < area for area in chance.areas)  # lower is better
    notes = [
        text["deletion_area"].format(area=each.deletion.area),
        text["beaten"].format(count=beaten, draws=len(chance.areas)),
    ]
    ahead = [
        text["controls"][control]
        for control in CONTROLS
        if (control, mixer) in found and found[control, mixer].deletion.area <= each.deletion.area
    ]
    if ahead and method not in CONTROLS:
        notes.append(text["not_beaten"].format(controls=", ".join(ahead)))
    if each.attribution.delta is not None:
        change = float(each.attribution.values.sum()) - each.attribution.delta  # of the score
        missed = each.attribution.delta / change if change else math.inf
        notes.append(text["completeness"].format(missed=missed))
    return notes


def alternative(panel: Panel) -> str:
    """A map in words."""
    names = {"layer": panel.layer, "branch": text[panel.branch]}
    measures = panel.measures
    if panel.zero or math.isnan(measures.mean_distance):
        return text["alternative_zero"].format(**names)
    sides = {side: getattr(measures, side) for side in text["sides"]}
    most = max(sides, key=sides.__getitem__)
    below_zero = ""
    if measures.negative:
        below_zero = text["alternative_negative"].format(share=measures.negative)
    return text["alternative"].format(
        **names,
        distance=measures.mean_distance,
        side=text["sides"][most].format(share=sides[most]),
        negative=below_zero,
    )
