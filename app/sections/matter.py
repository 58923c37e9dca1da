"""Does it matter? Weights are cut, parts of the picture changed, and the networks asked again."""

from __future__ import annotations

from dataclasses import astuple
from functools import partial

import numpy as np
import streamlit as st

from app import chart_files, experiments, markup, resources, state
from app.drawing import View
from app.figures import charts, theme
from app.resources import Seen
from app.selection import ANCHOR, Selection
from app.text import words
from app.widgets import Widget
from gsa import perturbations
from gsa.cells import Cells
from gsa.interventions import Limits
from gsa.maps import Branch, branches
from gsa.preprocess import Grid
from gsa.record import Array

text = words("look")
STEPS = 8  # radii of the curve, each twice the one before
PART_CELLS = 16  # cells along each side that the changed part snaps to


def take_part() -> None:
    """Remember the part of the picture that was pointed at."""
    place = getattr(state.widget_value(Widget.part), "place", None)
    if not place:
        return
    half = 0.5 / PART_CELLS
    state.change(
        part_top=place["row"] if "bottom" in place else place["row"] - half,
        part_left=place["column"] if "right" in place else place["column"] - half,
        part_bottom=place.get("bottom", place["row"] + half),
        part_right=place.get("right", place["column"] + half),
    )
    if place.get("moving"):
        state.hold_link()


def show(view: View) -> None:
    """Cut, change, and the curve over the radius."""
    st.subheader(text["matter_title"], anchor=ANCHOR)
    cut, change = st.columns(2, gap="large")
    with cut:
        _cut(view)
    with change:
        _change(view)
    _curve(view)


def _cut(view: View) -> None:
    chosen, seen = view.chosen, view.gsa
    size = seen.recording.height
    st.markdown(f"**{text['cut_title']}**")
    st.caption(text["cut_lead"])
    radii = [*_radii(seen), size]
    radius = min(radii, key=lambda r: abs(r - chosen.radius * size))  # a link may say any
    state.set_widget(Widget.radius, radius)
    st.select_slider(
        text["radius"],
        radii,
        key=Widget.radius,
        format_func=lambda r: text["no_cut"] if r == size else text["radius_value"].format(r=r),
        on_change=lambda: state.change(radius=state.widget_value(Widget.radius) / size),
    )
    layers = list(seen.recording.layers)
    without: Branch | None = None
    if all(len(branches(seen.recording[layer])) == 2 for layer in layers):  # so that one is left
        markup.choice("without", chosen.without, text["without"], text["withouts"])
        without = None if chosen.without == "none" else chosen.without
    where = [layer for layer in layers if layer in chosen.cut_layers.split(",")]
    state.set_widget(Widget.layers, where)
    st.multiselect(
        text["cut_layers"],
        layers,
        placeholder=text["every_layer"],
        key=Widget.layers,
        on_change=lambda: state.change(cut_layers=",".join(state.widget_value(Widget.layers))),
    )
    limits = Limits(
        radius=None if radius == size else radius,
        without=without,
        layers=tuple(where),
    )
    plain = experiments.limited(seen, Limits())
    found = experiments.limited(seen, limits)
    if radius != size:
        st.caption(text["cut_cells"].format(cells=_cells(seen, limits)))
    st.html(
        markup.predictions(
            [
                ("gsa", text["before"], "", resources.best(seen.card, plain)),
                ("gsa", text["after"], "", resources.best(seen.card, found)),
            ]
        )
    )


def _cells(seen: Seen, limits: Limits) -> str:
    """How many cells are within the radius: such as "2 in 1.1, 1.2; 0 in 4.1"."""
    recording = seen.recording
    layers: dict[int | None, list[str]] = {}
    for name in limits.layers or recording.layers:
        layers.setdefault(limits.cells(recording.grid(name).cell[0]), []).append(name)
    return "; ".join(
        text["cut_cells_in"].format(count=count, layers=", ".join(names))
        for count, names in layers.items()
    )


def _radii(seen: Seen) -> list[int]:
    """Whole pixels, doubling from the finest cell to half of the input; 0 first."""
    recording = seen.recording
    finest = min(int(recording.grid(name).cell[0]) for name in recording.layers)
    return [0, *(r for step in range(STEPS) if (r := finest * 2**step) < recording.height)]


def _change(view: View) -> None:
    chosen, seen = view.chosen, view.gsa
    size = seen.recording.height
    st.markdown(f"**{text['change_title']}**")
    st.caption(text["change_lead"])
    markup.choice("how", chosen.how, text["how"], text["hows"], label_visibility="collapsed")
    box = _part(view)
    where = chosen.place(size, size)
    effects = {
        mixer: experiments.effect(twin, box, chosen.how, where)
        for mixer, twin in ((mixer, view.seen[mixer]) for mixer in text["twins"])
    }
    target = resources.target(seen, chosen.target)
    left, right = markup.row("change", [2, 3], gap="medium")
    with left:
        changed = perturbations.change(experiments.input_of(seen), box, chosen.how)
        markup.crop_picker(
            view,
            seen.card.preprocess.picture(changed),
            (PART_CELLS, PART_CELLS),
            _part_cells(view),
            text["part_label"],
            Widget.part,
            take_part,
        )
    with right:
        for mixer, found in effects.items():
            st.markdown(
                text["effect"].format(
                    twin=text["twins"][mixer], label=seen.card.classes[target],
                    before=found.before[target], after=found.after[target],
                )
            )  # fmt: skip
        figure = charts.depth(
            {text["twins"][mixer]: found.features for mixer, found in effects.items()},
            text["feature_axis"],
            text["layer_axis"],
        )
        st.markdown(text["feature_title"])
        markup.chart(figure, text["feature_title"])


def _part_cells(view: View) -> Cells:
    chosen = view.chosen
    part = Selection(
        chosen.part_top, chosen.part_left, bottom=chosen.part_bottom, right=chosen.part_right
    )
    return part.cells(Grid(PART_CELLS, PART_CELLS, PART_CELLS, PART_CELLS))


def _part(view: View) -> perturbations.Box:
    """The part in whole pixels of the input."""
    cell = view.gsa.recording.height / PART_CELLS
    top, left, bottom, right = (round(edge * cell) for edge in astuple(_part_cells(view)))
    return top, left, bottom, right


# colours tell networks, dashes what is done to them; the control is grey
_STYLES = {
    "gsa_cut_far": (theme.CONTENT, "solid"),
    "gsa_shuffled_far": (theme.CONTENT, "dash"),
    "conv_shuffled_far": (theme.CONV, "dash"),
    "gsa_cut_near": (theme.QUIET, "dot"),
}


def _curve(view: View) -> None:
    seen = view.gsa
    size = seen.recording.height
    st.markdown(f"**{text['curve_title']}**")
    radii = tuple(float(r) for r in [*_radii(seen), size])
    place = view.chosen.place(size, size)
    target = resources.target(seen, view.chosen.target)
    label = seen.card.classes[target]
    found: dict[str, Array] = {
        "gsa_cut_far": experiments.by_radius(seen, radii, "far"),
        "gsa_shuffled_far": experiments.by_shuffling(seen, place, radii),
        "conv_shuffled_far": experiments.by_shuffling(view.seen["conv"], place, radii),
        "gsa_cut_near": experiments.by_radius(seen, radii, "near"),
    }
    curves = {name: np.asarray(curve)[:, target] for name, curve in found.items()}
    titles: dict[str, str] = text["curves"]
    left, right = markup.row("curve", [3, 2], gap="large")
    with left:
        figure = charts.by_radius(
            radii,
            {titles[name]: (*_STYLES[name], curve) for name, curve in curves.items()},
            text["radius_axis"],
            text["probability_axis"].format(label=label),
        )
        markup.chart(figure, text["curve_title"])
        make = partial(chart_files.radius_file, view, label, radii, curves)
        markup.numbers(view, "matter", make)
    with right:
        markup.target_box(view)
        st.caption(text["curve_words"].format(draws=perturbations.DRAWS))
