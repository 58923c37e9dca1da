"""Trials of both twins: pictures spoilt step by step, and tasks that far pixels decide."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st

from app import compare_resources, markup, state
from app.compare_files import Measurement
from app.compare_resources import MIXERS, Pair
from app.figures import compare as figures
from app.text import words
from app.views.compare_right import folder_and_count, refused
from app.views.compare_run import measured
from app.widgets import Widget
from gsa.probes import BINS, MARK, SIDE, SUMMED_AT_BEST, Probe, examples, fitting

page = words("compare")
_ENLARGED = 4  # screen pixels for one of an example


def stress(pair: Pair) -> None:
    """Accuracy against severity."""
    text = page["stress"]
    st.markdown(text["lead"])
    first, *others = st.columns([3, 4, 2], vertical_alignment="bottom")
    test = first.selectbox(
        text["test"],
        list(text["tests"]),
        format_func=text["tests"].__getitem__,
        key=Widget.compare_stress_test,
    )
    folder, count = folder_and_count(Widget.compare_stress, *others)
    if refused(pair, folder):
        return

    settings = {"test": test, "folder": folder, "at_most": count}

    def chart(scores: list[Any], key: str) -> None:
        lines = {}
        cards = compare_resources.cards(pair)
        for mixer in MIXERS:
            card = cards[mixer]
            own = [score for score in scores if score.checkpoint == card.name]
            steps = [f"{score.severity:g}" for score in own]
            shares = [(score.right, score.low, score.high) for score in own]
            lines[page["twins"][mixer]] = (mixer, steps, shares)
        figure = figures.against(lines, text["axes"][test], text["value"])
        markup.chart(figure, text["tests"][test], f"{Widget.compare_stress} {key}")

    found = measured(
        Measurement("stress", settings, pair),
        text["start"],
        lambda: compare_resources.stress(pair, test, folder, count),
        lambda result: [score.to_dict() for score in result],
        lambda so_far: chart(so_far, f"so far {len(so_far)}"),
        at_once=not folder,
    )
    if found is not None:
        chart(found, "final")
        st.caption(text["note"].format(n=found[0].n, source=folder or text["gallery"]))


def probes(_: Pair) -> None:
    """Tiny twins trained on the spot, whatever pair is chosen."""
    text = page["probes"]
    st.markdown(text["lead"])
    left, right = st.columns([2, 3])
    task = left.selectbox(
        text["task"],
        list(text["tasks"]),
        format_func=text["tasks"].__getitem__,
        key=Widget.compare_probe_task,
    )
    state.prepare_widget(Widget.compare_probe_steps, Probe.steps)
    steps = right.slider(text["steps"], 100, 600, step=50, key=Widget.compare_probe_steps)
    # a grid by the style sheet, and no columns, which a phone puts one below the other
    with st.container(key=Widget.compare_probe_examples, width=4 * SIDE * _ENLARGED):
        for distance, yes, picture in examples(task):
            large = picture.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
            answer = text["answers"][task][0 if yes else 1]
            said = text["example"].format(answer=answer, distance=distance)
            st.image(large, said, clamp=True, width="stretch", alt=answer)

    def progress(so_far: dict[str, Any]) -> None:
        for mixer, each in so_far.items():
            st.caption(
                text["training"].format(
                    twin=page["twins"][mixer], step=each.step, steps=each.steps, loss=each.loss
                )
            )

    found = measured(
        Measurement("probe", {"task": task, "steps": steps}),
        text["start"],
        lambda: compare_resources.probe(task, steps),
        lambda result: {
            "distances": BINS,
            "twins": {mixer: asdict(each) for mixer, each in result.items()},
        },
        progress,
    )
    if found is None:
        return
    probe = Probe(task, steps=steps)
    sees = probe.sees("conv")
    assert sees is not None  # a network of convolutions
    level, longest = fitting(task, sees)
    distances = [f"{low} – {high}" for low, high in BINS]
    lines = {page["twins"][mixer]: (mixer, distances, found[mixer].accuracy) for mixer in MIXERS}
    levels = {text["chance"]: 0.5}
    if task in SUMMED_AT_BEST:
        levels[text["summed"]] = SUMMED_AT_BEST[task]
    figure = figures.against(lines, text["axis"], text["value"], levels, _shaded(level, longest))
    markup.chart(figure, text["tasks"][task], Widget.compare_probe)
    limit = text["limits"]["bars" if longest > level else "line"]
    distance = text["distances"][task]
    said = (
        limit.format(distance=distance, sees=sees, mark=MARK, level=level, longest=longest),
        text["note"].format(tests=probe.tests, side=SIDE, sees=sees),
    )
    st.caption("\n\n".join(said))


def _shaded(level: float, longest: float) -> list[tuple[str, float, float]]:
    """The parts of the axis of `BINS` where what decides does not fit into what a unit sees.

    Args:
        level: distance up to which it fits along a row or a column.
        longest: distance up to which it fits in some direction.
    """
    edges = [BINS[0][0], *(high for _, high in BINS)]
    ends = np.arange(len(edges)) - 0.5  # where a chart of steps has these edges
    first, second, last = np.interp([level, longest, edges[-1]], edges, ends).tolist()
    parts = [("some", first, second), ("none", second, last)]
    return [(page["probes"]["fits"][key], start, end) for key, start, end in parts if start < end]
