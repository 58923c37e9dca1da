"""What mixers and networks cost on this machine, measured live."""

from __future__ import annotations

import streamlit as st

from app import compare_resources, markup, state
from app.compare_files import Measurement
from app.compare_resources import Pair
from app.figures import compare as figures
from app.text import words
from app.views.compare_run import measured
from app.widgets import Widget
from gsa import growth, scaling
from gsa.growth import Crossover, crossovers, exponent
from gsa.scaling import Cost

page = words("compare")
text = page["cost"]
UNITS = {"seconds": 1e3, "peak_bytes": 1 / 2**20, "flops": 1e-9}  # as the texts name them
LIMIT = 1.0  # seconds that one forward pass may take


def show(pair: Pair) -> None:
    """The section."""
    st.markdown(text["lead"].format(smallest=min(scaling.SIZES), largest=max(scaling.SIZES)))
    left, middle, right = st.columns([3, 2, 3], vertical_alignment="bottom")
    state.prepare_widget(Widget.compare_cost_kind, "layer")
    state.prepare_widget(Widget.compare_cost_figure, "seconds")
    kind_ = left.segmented_control(
        text["kind"],
        list(text["kinds"]),
        format_func=text["kinds"].get,
        required=True,
        key=Widget.compare_cost_kind,
    )
    device, dtype = middle.selectbox(
        text["device"],
        compare_resources.devices(),
        format_func=lambda each: text["device_name"].format(device=each[0], dtype=each[1]),
        key=Widget.compare_cost_device,
    )
    figure_ = right.segmented_control(
        text["figure"],
        list(text["figures"]),
        format_func=text["figures"].get,
        required=True,
        key=Widget.compare_cost_figure,
    )
    kind, figure = str(kind_), str(figure_)
    settings: dict[str, str | float] = {
        "of": kind,
        "device": device,
        "dtype": dtype,
        "limit_seconds": LIMIT,
    }
    found: list[Cost] | None = measured(
        Measurement("cost", settings, pair),
        text["start"],
        lambda: compare_resources.costs(pair, kind, device, dtype, LIMIT),
        lambda result: [cost.to_dict() for cost in result],
        lambda so_far: _chart(so_far, figure, f"so far {len(so_far)}"),
    )
    if found is None:
        return
    left, right = st.columns([5, 5], gap="medium")
    with left:
        _chart(found, figure, "final")
    with right:
        _figures(found, figure)
    said = [text["note"].format(limit=LIMIT, fitted=growth.FIT_FROM)]
    if device == "cpu":
        said.insert(0, text["note_cpu"].format(threads=scaling.Setting.threads))
    st.caption(" ".join(said))


def _by_name(costs: list[Cost]) -> dict[str, list[Cost]]:
    series: dict[str, list[Cost]] = {}
    for cost in costs:
        series.setdefault(cost.name, []).append(cost)
    return series


def _chart(costs: list[Cost], figure: str, key: str) -> None:
    series = {}
    for name, each in _by_name(costs).items():
        known = [cost for cost in each if getattr(cost, figure) > 0]
        sizes = [float(cost.size) for cost in known]
        values = [getattr(cost, figure) * UNITS[figure] for cost in known]
        series[text["names"][name]] = (name, sizes, values)
    drawn = figures.growth(series, text["size_axis"], text["axes"][figure])
    markup.chart(drawn, text["axes"][figure], f"{Widget.compare_cost} {key}")


def _figures(costs: list[Cost], figure: str) -> None:
    names = text["table"]
    # the largest size that every mixer was measured at
    left_out = {cost.size for cost in costs if cost.left_out}
    shared = max({cost.size for cost in costs} - left_out)
    rows = []
    for name, series in _by_name(costs).items():
        at = next(cost for cost in series if cost.size == shared)
        power = exponent(series, figure)
        rows.append(
            {
                names["name"]: text["names"][name],
                names["exponent"]: None if power != power else round(power, 2),
                names["theory"]: text["theory"][figure][name],
                names["largest"].format(size=shared): _quantity(getattr(at, figure), figure),
                names["params"]: f"{at.params:,}",
            }
        )
    st.dataframe(rows, hide_index=True)
    sentences = _crossings(crossovers(costs, figure))
    st.markdown("\n".join(f"- {each}" for each in sentences) or text["no_crossing"][figure])


def _crossings(found: list[Crossover]) -> list[str]:
    """For each pair that changes places, which of it is cheaper from size to size."""
    pairs: dict[frozenset[str], list[Crossover]] = {}
    for each in found:
        pairs.setdefault(frozenset((each.cheaper_below, each.cheaper_above)), []).append(each)
    said, names = text["crossing_parts"], text["names"]
    sentences = []
    for crossings in pairs.values():
        parts = [
            said["below"].format(name=names[each.cheaper_below], size=each.size)
            for each in crossings
        ]
        parts.append(said["above"].format(name=names[crossings[-1].cheaper_above]))
        sentences.append(text["crossing"].format(parts=", ".join(parts)))
    return sentences


def _quantity(value: float, figure: str) -> str:
    return text["quantities"][figure].format(value=value * UNITS[figure])
