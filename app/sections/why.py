"""Why this class? Attributions of both twins, and the deletion curves that test them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app import experiments, markup, resources, section_files, state
from app.components.strip import strip
from app.drawing import View, beneath, explained_notes, scale
from app.experiments import Explained
from app.figures import charts, raster
from app.figures.compare import COLOURS
from app.selection import ANCHOR
from app.text import words
from app.widgets import Widget
from gsa.checkpoints import folder
from gsa.report_studies import attributions_tested

if TYPE_CHECKING:
    from gsa.faithfulness import Chance, Curve

text = words("look")


def show(view: View) -> None:
    """The button, and what it computed so far for this picture and class."""
    st.subheader(text["why_title"], anchor=ANCHOR)
    st.caption(text["why_lead"])
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        markup.target_box(view)
    target = resources.target(view.gsa, view.chosen.target)
    key = f"why {' '.join(seen.key for seen in view.seen.values())} {target}"
    with right:
        asked = st.button(text["why_button"], key=Widget.why)
    if asked:
        state.begin("attributions", key)
    found: dict[tuple[str, str], Explained] = state.kept(key) or {}
    jobs = [(method, mixer) for method in text["methods"] for mixer in text["twins"]]
    begun = state.begun("attributions")
    left_over = [job for job in jobs if job not in found] if begun == key else []
    if begun and begun != key:
        st.caption(text["why_waiting"])
    with st.container():  # always there, so that its going does not draw all that follows anew
        if left_over:
            method, mixer = left_over[0]
            what = text["progress"].format(name=text["methods"][method], twin=text["twins"][mixer])
            st.progress(len(found) / len(jobs), what)
            st.button(text["stop"], key=Widget.stop, on_click=state.end, args=("attributions",))
    if found:
        _draw(view, target, found)
    _tested(view)
    if left_over:
        # one in each run of the fragment: a run is never broken off, and Stop is heard between them
        found = {**found, (method, mixer): experiments.explained(view.seen[mixer], target, method)}
        state.keep(key, found)
        _run_again()


def _run_again() -> None:
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # this was a run of the whole page
        st.rerun()


def _draw(view: View, target: int, found: dict[tuple[str, str], Explained]) -> None:
    from gsa.attribution import NOISE  # with captum, which is there once something is drawn

    label = view.gsa.card.classes[target]
    twins = [mixer for mixer in text["twins"] if any(each == mixer for _, each in found)]
    chance = {mixer: experiments.by_chance(view.seen[mixer], target) for mixer in twins}
    areas = [
        text["chance_area"].format(
            twin=text["twins"][mixer],
            area=curve.area,
            least=curve.areas[0],
            most=curve.areas[-1],
            draws=len(curve.areas),
        )
        for mixer, curve in chance.items()
    ]
    said = text["why_words"].format(chance="; ".join(areas), noise=NOISE)
    rows = []
    for mixer in twins:
        drawn = [_photo(view)]
        for method, name in text["methods"].items():
            if (method, mixer) not in found:  # stopped before
                continue
            each = found[method, mixer]
            notes = explained_notes(found, method, mixer, chance[mixer])
            values = each.attribution.values
            limit = float(np.abs(values).max()) or 1.0
            signed = each.attribution.signed
            rgba = raster.coloured(values, limit, signed=signed, see_through=view.chosen.beneath)
            drawn.append(
                {
                    "id": f"{method} {mixer}",
                    "title": name,
                    "url": raster.png_url(rgba),
                    "cell": [],
                    "source": [],
                    "alt": text["why_alternative"].format(name=name, twin=text["twins"][mixer]),
                    "notes": [scale(limit, signed=signed), *notes],
                    "chosen": False,
                }
            )
        rows.append({"title": text["twins"][mixer], "panels": drawn})
    strip(rows, beneath(view.gsa, view.chosen), Widget.attributions)
    st.caption(said)
    make = partial(section_files.attributions_file, view, label, found, chance, said)
    markup.downloads(view, "attributions", make, text["as_file"])
    _curves(label, found, chance)


def _curves(
    label: str, found: Mapping[tuple[str, str], Explained], chance: Mapping[str, Chance]
) -> None:
    """The deletion curves of both twins, side by side with one scale."""
    from gsa.baselines import CONTROLS

    st.markdown(f"**{text['deletion_title']}**")
    every = [*(each.deletion for each in found.values()), *chance.values()]
    top = max(float(curve.probabilities.max()) for curve in every)
    columns = markup.row("why", [1] * len(chance), gap="large")
    for column, mixer in zip(columns, chance, strict=True):
        curves: dict[str, Curve] = {
            title: found[method, mixer].deletion
            for method, title in text["methods"].items()
            if (method, mixer) in found
        }
        figure = charts.deletion(
            {
                name: (curve.shares, curve.probabilities)
                for name, curve in {**curves, text["chance"]: chance[mixer]}.items()
            },
            [text["chance"], *(text["methods"][each] for each in CONTROLS)],
            top,
            text["deleted_axis"],
            text["probability_axis"].format(label=label),
        )
        with column:
            st.markdown(text["twins"][mixer])
            markup.chart(figure, f"{text['deletion_title']}, {text['twins'][mixer]}")
    st.caption(text["deletion_words"])


def _tested(view: View) -> None:
    """On how many pictures each method passes, where that was measured with these weights."""
    study = attributions_tested([seen.card for seen in view.seen.values()], folder())
    if study is None:
        return
    protocol = study["protocol"]
    shares = {
        text["twins"][mixer]: (
            COLOURS[mixer],
            {
                text["methods"][row["method"]]: (row["passed"], *row["interval"])
                for row in study["methods"]
                if row["checkpoint"] == view.seen[mixer].card.name
                and row["method"] in text["methods"]
            },
        )
        for mixer in text["twins"]
    }
    title = text["tested_title"].format(n=protocol["pictures"])
    st.markdown(f"**{title}**")
    figure = charts.passed(shares, text["tested_axis"], text["tested_value_axis"])
    markup.chart(figure, title)
    st.caption(text["tested_words"].format(**protocol))


def _photo(view: View) -> dict[str, object]:
    """What the networks saw, at the head of a row of maps."""
    return {
        "id": "",
        "title": text["overs"]["photo"],
        "url": resources.data_url(view.gsa.crop),
        "cell": [],
        "source": [],
        "alt": view.picture.name,
        "notes": [],
        "chosen": False,
    }
