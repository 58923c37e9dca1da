"""Is the map stable, is it special? It stands beside its companions, at one scale."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import streamlit as st

from app import experiments, panels
from app.components.strip import strip
from app.drawing import View, beneath, drawn
from app.panels import Panel
from app.state import Selection, Widget
from app.text import words
from gsa import stability
from gsa.baselines import edge_map
from gsa.maps import Branch, branch_map, branches
from gsa.record import Array

text = words("look")


def show(view: View) -> None:
    """One row for each branch of the chosen layer."""
    st.subheader(text["stable_title"].format(layer=view.layer), anchor=False)
    st.caption(text["stable_lead"])
    chosen = replace(view.chosen, direction="from")
    rows, agreements = [], []
    edges = _edges(view)
    for branch in branches(view.gsa.recording[view.layer]):
        panel = panels.shown(view.gsa.recording, view.layer, branch, chosen, chosen.heads)
        others = _companions(view, branch, panel, chosen)
        limit = max([panel.peak, *(other.peak for _, other, _ in others)]) or 1.0
        drawn_row = [
            drawn(
                replace(panel, limit=limit),
                chosen,
                id_="trained",
                title=text["trained"],
                extra=[text["peak"].format(peak=panel.peak)],
            )
        ]
        for kind, other, correlation in others:
            note = text["no_correlation"]
            if math.isfinite(correlation):
                note = text["correlation"].format(correlation=correlation)
            drawn_row.append(
                drawn(
                    replace(other, limit=limit), chosen, id_=kind,
                    title=text["companions"][kind],
                    extra=[text["peak"].format(peak=other.peak), note],
                )
            )  # fmt: skip
        rows.append({"title": text[f"{branch}_row"], "panels": drawn_row})
        agreement = stability.correlation(np.abs(panel.shown), edges)
        agreements.append(text["edges"].format(branch=text[branch], correlation=agreement))
    strip(rows, beneath(view.gsa, chosen), Widget.stable)
    st.caption(" ".join([text["stable_words"], *agreements]))


def _companions(
    view: View, branch: Branch, panel: Panel, chosen: Selection
) -> list[tuple[str, Panel, float]]:
    """Kind, map and correlation of each companion."""
    found = []
    for kind in text["companions"]:
        weights = panels.combine(_weights(view, branch, panel, kind), chosen.heads)
        if chosen.value == "deviation":
            weights = weights - np.nanmean(weights)
        other = panels.with_map(panel, np.nan_to_num(weights))
        found.append((kind, other, stability.correlation(panel.shown, weights)))
    return found


def _weights(view: View, branch: Branch, panel: Panel, kind: str) -> Array:
    """The map of all heads (h, y, x) in a companion, laid over the map itself."""
    layer, cells = view.layer, panel.cells
    if kind == "mirrored":
        recording = experiments.companion(view.gsa, kind)
        return stability.mirrored_map(recording, layer, branch, cells)
    if kind == "moved":
        step = stability.step_of(cells, (panel.grid.rows, panel.grid.columns))
        tall, wide = panel.grid.cell
        pixels = (round(step[0] * tall), round(step[1] * wide))
        recording = experiments.companion(view.gsa, kind, pixels)
        return stability.moved_map(recording, layer, branch, cells, step)
    return branch_map(experiments.companion(view.gsa, kind)[layer], branch, cells)


def _edges(view: View) -> Array:
    """The picture's edges, averaged over the cells of the layer."""
    grid = view.gsa.recording.grid(view.layer)
    brightness = np.asarray(view.gsa.crop.convert("L"), dtype=np.float64)
    edges = edge_map(brightness)
    tall, wide = (int(side) for side in grid.cell)
    blocks = edges[: grid.rows * tall, : grid.columns * wide]
    return blocks.reshape(grid.rows, tall, grid.columns, wide).mean(axis=(1, 3))
