"""The part of the inspector that follows the chosen place; it reruns without the rest."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from app import panels, resources, state
from app.components.picker import picker
from app.components.strip import strip
from app.figures import charts, raster
from app.panels import Panel
from app.resources import Seen
from app.state import Picture, Selection, Widget
from app.text import words
from gsa.proofs import TOLERANCE_FLOAT32

text = words("look")


def take_place() -> None:
    """Remember the place that was pointed at."""
    place = getattr(state.widget_value(Widget.picker), "place", None)
    if place:
        state.change(row=float(place["row"]), column=float(place["column"]))


def take_layer() -> None:
    """Remember the layer whose map was clicked."""
    layer = getattr(state.widget_value(Widget.strip), "chosen", None)
    if layer:
        state.change(layer=str(layer).split(" ")[0])


def take(field: str, key: str) -> None:
    """Remember what a switch says."""
    state.change(**{field: state.widget_value(key)})


@st.fragment
def inspect(seen: dict[str, Seen], picture: Picture) -> None:
    """Picker, predictions, maps of all layers, and one layer head by head."""
    chosen = state.selection()
    recording = seen["gsa"].recording
    left, right = st.columns([5, 12], gap="medium")
    with left:
        _picker(seen["gsa"], picture, chosen)
        _predictions(seen)
    with right:
        _switches(recording[next(iter(recording.layers))].heads, chosen)
        found = panels.all_layers(recording, chosen)
        layer = chosen.layer if chosen.layer in recording.layers else found[-1].layer
        _strip(found, layer, seen["gsa"], chosen)
        _proof(recording, chosen)
    _one_layer(seen["gsa"], layer, found, chosen)
    state.write_link()


def _picker(seen: Seen, picture: Picture, chosen: Selection) -> None:
    grid = panels.finest_grid(seen.recording)
    row, column = grid.cell_at(*chosen.place(grid.height, grid.width))
    left, top, right, bottom = seen.crop_box
    width, height = seen.photo_size
    picker(
        {
            "photo": resources.photo_url(picture.digest, picture.data),
            "crop": resources.data_url(seen.crop),
            "photo_size": [width, height],
            "crop_box": [left, top, right, bottom],
            "rows": grid.rows,
            "columns": grid.columns,
            "row": chosen.row,
            "column": chosen.column,
            "label": text["picker_label"].format(name=picture.name, size=grid.height),
        },
        Widget.picker,
        take_place,
    )
    cell_top, cell_left, cell_bottom, cell_right = grid.box(row, column)
    tall, wide = (bottom - top) / grid.height, (right - left) / grid.width
    caption = text["picker_caption"].format(
        row=row + 1, column=column + 1, rows=grid.rows, columns=grid.columns,
        top=round(top + cell_top * tall), bottom=round(top + cell_bottom * tall),
        left=round(left + cell_left * wide), right=round(left + cell_right * wide),
        width=width, height=height,
    )  # fmt: skip
    lost = 1 - (right - left) * (bottom - top) / (width * height)
    cut = text["cut_off"].format(share=lost) if lost > 0.005 else text["nothing_cut"]
    st.caption(f"{caption} {cut}")


def _predictions(seen: dict[str, Seen]) -> None:
    columns = []
    for mixer, title in text["twins"].items():
        twin = seen[mixer]
        results = twin.card.results
        accuracy = text["no_accuracy"]
        if results:
            accuracy = text["accuracy"].format(top1=results["top1"], n=results["n"])
        note = text["twin_note"].format(parameters=twin.card.params / 1e6, accuracy=accuracy)
        bars = "".join(
            f"<li><span class='bar' style='width:{probability:.1%}'></span>"
            f"<span class='label'>{html.escape(label)}</span>"
            f"<span class='value'>{probability:.0%}</span></li>"
            for label, probability in twin.top
        )
        columns.append(
            f"<section class='{mixer}'><h2>{title}</h2><p>{note}</p><ol>{bars}</ol></section>"
        )
    st.html(f"<div class='predictions'>{''.join(columns)}</div>")
    st.caption(text["unsure"].format(classes=len(seen["gsa"].card.classes)))


def _switches(heads: int, chosen: Selection) -> None:
    names: dict[str, str] = {
        "mean": text["head_mean"],
        "absolute": text["head_absolute"],
        "max": text["head_max"],
    }
    names |= {str(head): text["head_one"].format(head=head + 1) for head in range(heads)}
    columns = st.columns([3, 3, 4, 3, 3], vertical_alignment="bottom")
    state.prepare_widget(Widget.heads, chosen.heads if chosen.heads in names else "mean")
    state.prepare_widget(Widget.direction, chosen.direction)
    state.prepare_widget(Widget.value, chosen.value)
    state.prepare_widget(Widget.scale, chosen.scale)
    state.prepare_widget(Widget.beneath, chosen.beneath)
    columns[0].selectbox(
        text["heads"],
        list(names),
        format_func=names.__getitem__,
        key=Widget.heads,
        on_change=take,
        args=("heads", Widget.heads),
    )
    for column, field, key in (
        (columns[1], "direction", Widget.direction),
        (columns[2], "value", Widget.value),
        (columns[3], "scale", Widget.scale),
    ):
        options: dict[str, str] = text[f"{field}s"]
        column.selectbox(
            text[field],
            list(options),
            format_func=options.__getitem__,
            key=key,
            help=text[f"{field}_help"],
            on_change=take,
            args=(field, key),
        )
    columns[4].toggle(
        text["beneath"], key=Widget.beneath, on_change=take, args=("beneath", Widget.beneath)
    )


def _strip(found: list[Panel], layer: str, seen: Seen, chosen: Selection) -> None:
    rows = []
    for branch in dict.fromkeys(panel.branch for panel in found):
        drawn = [
            _drawn(
                panel,
                f"{panel.layer} {panel.branch}",
                panel.layer,
                chosen,
                extra=[text["share"].format(share=panel.share)],
                marked=panel.layer == layer,
            )
            for panel in found
            if panel.branch == branch
        ]
        rows.append({"title": text[f"{branch}_row"], "panels": drawn})
    strip(rows, _beneath(seen, chosen), Widget.strip, take_layer)
    st.caption(text["legend"].format(size=seen.recording.height))


def _beneath(seen: Seen, chosen: Selection) -> str:
    return resources.data_url(seen.crop) if chosen.beneath else ""


def _drawn(
    panel: Panel, id_: str, title: str, chosen: Selection, *, extra: list[str], marked: bool
) -> dict[str, Any]:
    """A panel as the strip component takes it."""
    weights = panel.shown * (not panel.zero)
    rgba = raster.coloured(weights, panel.limit, signed=panel.signed, see_through=chosen.beneath)
    scale = f"{'±' if panel.signed else '0 – '}{panel.limit:.2g}"
    notes = [text["zero"]] if panel.zero else [scale]
    if panel.measures.mean_distance == panel.measures.mean_distance:  # not NaN
        notes.append(text["far"].format(distance=panel.measures.mean_distance))
    return {
        "id": id_,
        "title": title,
        "url": raster.png_url(rgba),
        "cell": panel.box,
        "alt": alternative(panel),
        "notes": [*notes, *extra],
        "chosen": marked,
    }


def alternative(panel: Panel) -> str:
    """A map in words."""
    names = {"layer": panel.layer, "branch": text[panel.branch]}
    measures = panel.measures
    if panel.zero or measures.mean_distance != measures.mean_distance:
        return text["alternative_zero"].format(**names)
    sides = {side: getattr(measures, side) for side in text["sides"]}
    most = max(sides, key=sides.__getitem__)
    return text["alternative"].format(
        **names,
        distance=measures.mean_distance,
        side=text["sides"][most].format(share=sides[most]),
        negative=measures.negative,
    )


def _proof(recording: Any, chosen: Selection) -> None:
    worst, count = panels.proof(recording, chosen)
    if worst.max_rel_error <= TOLERANCE_FLOAT32:
        sentence = text["proof"].format(count=count, error=worst.max_rel_error)
        st.success(sentence, icon=":material/verified:")
    else:
        st.error(text["proof_failed"].format(error=worst.max_rel_error))


def _one_layer(seen: Seen, layer: str, found: list[Panel], chosen: Selection) -> None:
    recording = seen.recording
    st.subheader(text["layer_title"].format(layer=layer), anchor=False)
    st.caption(text["layer_lead"])
    left, right = st.columns([3, 2], gap="large")
    heads = panels.one_layer(recording, layer, chosen)
    rows = []
    for branch in dict.fromkeys(panel.branch for panel in heads):
        drawn = [
            _drawn(
                panel,
                f"{panel.heads} {panel.branch}",
                text["head_one"].format(head=int(panel.heads) + 1),
                chosen,
                extra=[],
                marked=panel.heads == chosen.heads,
            )
            for panel in heads
            if panel.branch == branch
        ]
        title = text["layer_row"].format(branch=text[branch].capitalize())
        rows.append({"title": title, "panels": drawn})
    with left:
        strip(rows, _beneath(seen, chosen), Widget.detail)
        record = recording[layer]
        if record.gain is not None:
            st.caption(
                text["about_positional"].format(low=record.gain.min(), high=record.gain.max())
            )
    with right:
        st.markdown(f"**{text['range_title']}**")
        lines: dict[str, list[float]] = {
            text[branch]: [p.measures.mean_distance for p in found if p.branch == branch]
            for branch in dict.fromkeys(panel.branch for panel in found)
        }
        figure = charts.ranges(
            list(recording.layers), lines, text["range_axis"], text["layer_axis"]
        )
        st.plotly_chart(
            figure, theme=None, config={"displayModeBar": False}, alt=text["range_title"]
        )
