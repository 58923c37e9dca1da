"""Strips of the sections as files: companions of a map, two places, attributions of a class.

They are drawn like all maps that leave the app, with the page's sentences below, since a file has
no page round it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from app import companions, fields, leaving, places
from app.drawing import View, explained_notes, meaning
from app.experiments import Explained
from app.figures import theme
from app.text import words
from gsa import export, figures
from gsa.cells import Cells
from gsa.erf import Field
from gsa.export import Provenance
from gsa.faithfulness import Chance
from gsa.maps import Branch
from gsa.preprocess import Grid
from gsa.ranges import even_distance, measure

text = words("look")


@dataclass(frozen=True)
class ProvenanceOfTwins(Provenance):
    """That of a figure which both twins have a part in."""

    twin: str = ""  # checkpoint of the convolution twin
    twin_weights_sha256: str = ""
    target: str = ""  # the class that is explained


def provenance_of_twins(view: View, label: str, **fields: object) -> ProvenanceOfTwins:
    """As `leaving.provenance`, of both twins and a class by its label."""
    conv = view.seen["conv"].card
    made_from = leaving.provenance(
        view,
        ProvenanceOfTwins,
        twin=conv.name,
        twin_weights_sha256=conv.sha256,
        target=label,
        **fields,
    )
    assert isinstance(made_from, ProvenanceOfTwins)
    return made_from


def companions_file(view: View, kind: str) -> bytes:
    """The maps of the chosen layer beside their companions, as one of `leaving.KINDS`.

    NPZ holds each map as it is drawn, `B_C` (rows, columns) of branch B and companion C (`trained`
    is the map itself; NaN in cells that left the picture), and `cells`, the place's (top, left,
    bottom, right).
    """
    rows = companions.rows(view)
    chosen = view.chosen
    made_from = leaving.provenance(
        view,
        layers=(view.layer,),
        heads=chosen.heads,
        scale=chosen.companion_scale,
        direction="from",
    )
    always_from = replace(view, chosen=replace(chosen, direction="from"))
    about = leaving.about(always_from, "companions")
    said = companions.sentences(view, rows)
    return _rows_file(view, rows, made_from, about, said, kind)


@dataclass(frozen=True)
class ProvenanceOfPlaces(Provenance):
    """That of a figure of two places."""

    other_place: tuple[float, float] = (0.0, 0.0)  # as `place`
    other_region: tuple[float, float, float, float] | None = None  # as `region`


def provenance_of_places(view: View, **fields: object) -> ProvenanceOfPlaces:
    """As `leaving.provenance`, of the place and the other one."""
    other, recording = view.chosen.other, view.gsa.recording
    made_from = leaving.provenance(
        view,
        ProvenanceOfPlaces,
        heads=view.chosen.heads,
        other_place=other.place(recording.height, recording.width),
        other_region=other.region(recording.height, recording.width),
        **fields,
    )
    assert isinstance(made_from, ProvenanceOfPlaces)
    return made_from


def places_file(view: View, kind: str) -> bytes:
    """The maps of the place and of the other one in the chosen layer, as one of `leaving.KINDS`.

    NPZ holds each map as it is drawn, `B_own`, `B_other` and `B_over` (rows, columns) of branch B,
    the last moved to lie on the first (NaN in cells of which it says nothing), and `cells` and
    `other_cells`, (top, left, bottom, right) of both places.
    """
    rows = places.rows(view)
    made_from = provenance_of_places(view, layers=(view.layer,), scale=view.chosen.companion_scale)
    there = leaving.place(view.chosen.other, view.gsa.recording)
    about = f"{leaving.about(view, 'places')}, {text['places_figure'].format(place=there)}"
    said = text["places_scale"][view.chosen.companion_scale]
    other = view.chosen.other.cells(view.gsa.recording.grid(view.layer))
    arrays = {"other_cells": np.array(astuple(other))}
    return _rows_file(view, rows, made_from, about, said, kind, arrays)


def _rows_file(
    view: View,
    rows: Mapping[Branch, Sequence[companions.Beside]],
    made_from: Provenance,
    about: str,
    sentences: str,
    kind: str,
    arrays: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> bytes:
    """Rows of maps of the chosen layer as one of `leaving.KINDS`.

    Args:
        view: what is shown.
        rows: the maps, by branch.
        made_from: the provenance.
        about: what a figure shows, below its title.
        sentences: what stands below a figure.
        kind: of file.
        arrays: what an NPZ holds besides.
    """
    if kind == "npz":
        weights = {
            f"{branch}_{each.id_}": each.panel.shown for branch, row in rows.items() for each in row
        }
        cells = np.array(astuple(made_from.cells(view.gsa.recording.grid(view.layer))))
        return export.archive_bytes({"cells": cells, **arrays, **weights}, made_from.to_json())
    drawn = [
        figures.Panel(
            layer=view.layer,
            branch=branch,
            weights=each.panel.shown,
            cells=each.panel.cells,
            measures=each.panel.measures,
            title="\n".join((each.title, *each.notes)),
            limit=each.panel.limit,
            signed=each.panel.signed,
            root=each.panel.root,
            zero=each.panel.zero,
        )
        for branch, row in rows.items()
        for each in row
    ]
    names = text["figure_title"].format(picture=view.picture.name, name=view.gsa.card.name)
    shown = [each.panel for row in rows.values() for each in row]
    signed = all(panel.signed for panel in shown)
    even = [even_distance(panel.cells, panel.grid) for panel in shown]
    said = f"{figures.legend_of(even)} {meaning(view.chosen.value, signed=signed)} {sentences}"
    title = text["layer_figure"].format(title=names, layer=view.layer)
    figure = figures.strip(view.gsa.crop, drawn, f"{title}\n{about}", said)
    return export.figure_bytes(figure, kind, made_from)


def attributions_file(
    view: View,
    label: str,
    found: Mapping[tuple[str, str], Explained],
    chance: Mapping[str, Chance],
    sentences: str,
    kind: str,
) -> bytes:
    """The attributions of both twins, as one of `leaving.KINDS`.

    NPZ holds for each method M and mixer T the values `M_T` (rows, columns) of the network input,
    and of the deletion curve `shares_M_T` and `probabilities_M_T` (steps,), also for blocks at
    random, as the method `chance`; where the method has one, `delta_M_T`, what the sum of the
    values misses of the change of the score.

    Args:
        view: what is shown.
        label: the class that is explained.
        found: attributions by method and mixer.
        chance: by mixer, the deletion curves of blocks at random.
        sentences: what stands below the strip.
        kind: of file.
    """
    height, width = view.gsa.recording.height, view.gsa.recording.width
    made_from = provenance_of_twins(
        view,
        label,
        place=(height / 2, width / 2),
        region=(0.0, 0.0, float(height), float(width)),  # of the whole picture, not of a place
        layers=(),
        heads="none",
        scale="own",
        direction="none",
        value="attribution",
    )
    if kind == "npz":
        return export.archive_bytes(_attribution_arrays(found, chance), made_from.to_json())
    figure = _attributions_figure(view, label, found, chance, sentences)
    return export.figure_bytes(figure, kind, made_from, what=text["why_page"])


def provenance_of_fields(view: View) -> ProvenanceOfTwins:
    """As `provenance_of_twins`, of no class; the place is the middle of a rectangle."""
    layers = tuple(view.gsa.recording.layers)
    return provenance_of_twins(
        view, "", layers=layers, heads="all", scale="own", direction="none",
        value="receptive_field",
    )  # fmt: skip


def fields_file(
    view: View, found: Mapping[str, Sequence[Field]], sentences: str, kind: str
) -> bytes:
    """The receptive fields of the place in both twins, as one of `leaving.KINDS`.

    NPZ holds the gradient of each mixer M and layer L as `M_L`, (rows, columns) of the input.

    Args:
        view: what is shown.
        found: by mixer, layer by layer.
        sentences: what stands below the strip.
        kind: of file.
    """
    made_from = provenance_of_fields(view)
    if kind == "npz":
        arrays = {f"{mixer}_{each.layer}": each.map for mixer, of in found.items() for each in of}
        return export.archive_bytes(arrays, made_from.to_json())
    drawn = [
        replace(
            _pixels(
                field.map,
                mixer,
                "\n".join((field.layer, *fields.notes(field))),
                fields.cell(field),
            ),
            root=True,  # as on the page
        )
        for mixer, of in found.items()
        for field in of
    ]
    gsa, conv = (view.seen[mixer].card.name for mixer in text["twins"])
    title = text["fields_figure"].format(picture=view.picture.name, gsa=gsa, conv=conv)
    there = leaving.place(view.chosen, view.gsa.recording)
    figure = _named(figures.strip(view.gsa.crop, drawn, f"{title}\n{there}", sentences), found)
    lines = np.reshape(np.array(figure.axes), (len(found), -1))[:, 1:]  # without the picture
    for line, of in zip(lines, found.values(), strict=True):
        for axis, field in zip(line, of, strict=True):
            _outline(axis, field)
    return export.figure_bytes(figure, kind, made_from, what=text["fields_page"])


def _outline(axis: Axes, field: Field) -> None:
    """As the page does: circles of the mass, and dotted what the unit can see."""
    top, left, bottom, right = field.theoretical.box
    row, column = field.theoretical.centre
    for radius in (field.spread.radius_50, field.spread.radius_90):
        if radius == radius:
            axis.add_patch(Circle((column, row), radius, fill=False, edgecolor="white", lw=0.7))
    seen = Rectangle((left, top), right - left, bottom - top, fill=False, linestyle=":", lw=1.2)
    seen.set_edgecolor(theme.BORDER)
    axis.add_patch(seen)


def _named(figure: Figure, twins: Collection[str]) -> Figure:
    """Its rows named for networks, not for branches."""
    columns = len(figure.axes) // len(twins)
    for mixer, first in zip(twins, figure.axes[::columns], strict=True):
        first.set_title(text["twins"][mixer], fontsize=8)
    return figure


def _attributions_figure(
    view: View,
    label: str,
    found: Mapping[tuple[str, str], Explained],
    chance: Mapping[str, Chance],
    sentences: str,
) -> Figure:
    twins = [mixer for mixer in text["twins"] if any(each == mixer for _, each in found)]
    drawn = []
    for mixer in twins:
        for method, name in text["methods"].items():
            if each := found.get((method, mixer)):
                title = "\n".join((name, *explained_notes(found, method, mixer, chance[mixer])))
                drawn.append(_attribution(each, mixer, title))
    gsa, conv = (view.seen[mixer].card for mixer in text["twins"])
    title = text["why_figure"].format(
        picture=view.picture.name, label=label, gsa=gsa.name, conv=conv.name
    )
    return _named(figures.strip(view.gsa.crop, drawn, title, sentences), twins)


def _attribution_arrays(
    found: Mapping[tuple[str, str], Explained], chance: Mapping[str, Chance]
) -> dict[str, np.ndarray]:
    arrays = {}
    curves = {key: each.deletion for key, each in found.items()}
    curves |= {("chance", mixer): curve for mixer, curve in chance.items()}
    for (method, mixer), curve in curves.items():
        arrays[f"shares_{method}_{mixer}"] = curve.shares
        arrays[f"probabilities_{method}_{mixer}"] = curve.probabilities
    for (method, mixer), each in found.items():
        name = f"{method}_{mixer}"
        if each.attribution.delta is not None:
            arrays[f"delta_{name}"] = np.array(each.attribution.delta)
        arrays[name] = each.attribution.values
    return arrays


def _attribution(each: Explained, mixer: str, title: str) -> figures.Panel:
    """A panel whose mark goes round the whole, since no place looks."""
    values = each.attribution.values
    whole = Cells(0, 0, *values.shape)
    return replace(_pixels(values, mixer, title, whole), signed=each.attribution.signed)


def _pixels(values: np.ndarray, mixer: str, title: str, marked: Cells) -> figures.Panel:
    """A panel of pixels of the input, without a distance: it is no map whose place looks."""
    rows, columns = values.shape
    nothing = measure(np.zeros_like(values), marked, Grid(rows, columns, rows, columns))
    return figures.Panel("", mixer, values, marked, nothing, title, signed=False)
