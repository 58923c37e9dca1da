"""What mixers and networks cost on this machine, measured live."""

from __future__ import annotations

import streamlit as st

from app import compare_resources
from app.figures import compare as figures
from app.text import words
from app.views.compare_run import measured
from gsa.scaling import SIZES, Cost, crossovers, exponent

page = words("compare")
text = page["cost"]
LIMIT = 1.0  # seconds that one forward pass may take


@st.fragment
def show() -> None:
    """The section."""
    st.markdown(text["lead"])
    left, middle, right = st.columns([3, 2, 3], vertical_alignment="bottom")
    kind = left.segmented_control(
        text["kind"],
        list(text["kinds"]),
        format_func=text["kinds"].get,
        default="layer",
        required=True,
        key="compare_cost_kind",
    )
    device, dtype = middle.selectbox(
        text["device"],
        compare_resources.devices(),
        format_func=lambda each: text["device_name"].format(device=each[0], dtype=each[1]),
        key="compare_cost_device",
    )
    figure = right.segmented_control(
        text["figure"],
        list(text["figures"]),
        format_func=text["figures"].get,
        default="seconds",
        required=True,
        key="compare_cost_figure",
    )
    found: list[Cost] | None = measured(
        f"cost {compare_resources.version()} {kind} {device} {dtype}",
        text["start"],
        lambda: compare_resources.costs(kind, device, dtype, LIMIT),
        lambda so_far: _chart(so_far, figure, f"so far {len(so_far)}"),
    )
    if found is None:
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        _chart(found, figure, "final")
    with right:
        _figures(found, figure)
    st.caption(text["note"].format(limit=LIMIT))


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
        series[text["names"][name]] = (name, sizes, [getattr(cost, figure) for cost in known])
    drawn = figures.growth(series, text["size_axis"], text["axes"][figure])
    st.plotly_chart(drawn, theme=None, config={"displayModeBar": False}, key=f"compare_cost {key}")


def _figures(costs: list[Cost], figure: str) -> None:
    names = text["table"]
    shared = max(cost.size for cost in costs if not cost.left_out)
    shared = min(shared, SIZES[-2])
    rows = []
    for name, series in _by_name(costs).items():
        at = next(cost for cost in series if cost.size == shared)
        power = exponent(series, figure)
        rows.append(
            {
                names["name"]: text["names"][name],
                names["exponent"]: None if power != power else round(power, 2),
                names["theory"]: text["theory"][name],
                names["largest"].format(size=shared): _quantity(getattr(at, figure), figure),
                names["params"].format(size=shared): at.params,
            }
        )
    st.dataframe(rows, hide_index=True)
    found = crossovers(costs, figure)
    for crossing in found:
        st.markdown(
            text["crossing"].format(
                below=text["names"][crossing.cheaper_below],
                above=text["names"][crossing.cheaper_above],
                size=crossing.size,
            )
        )
    if not found:
        st.markdown(text["no_crossing"])


def _quantity(value: float, figure: str) -> str:
    if value != value:  # left out
        return "–"
    if figure == "seconds":
        return f"{value * 1e3:.3g} ms"
    if figure == "peak_bytes":
        return f"{value / 2**20:.3g} MiB"
    return f"{value / 1e9:.3g} G"
