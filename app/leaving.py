"""What leaves the app: figures, numbers, code and links that show what the page shows."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from app import panels, state
from app.drawing import View, head_names, meaning
from app.selection import ANCHOR, Selection
from app.text import words
from gsa import export, figures
from gsa.export import Provenance
from gsa.ranges import even_distance
from gsa.record import Recording

text = words("look")
KINDS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "html": "text/html",
    "npz": "application/octet-stream",
}
SCOPES = {  # what a file shows, and how its name says so
    "layers": "layers",
    "heads": "layer-{layer}",
    "companions": "layer-{layer}-companions",
    "places": "layer-{layer}-two-places",
    "alike": "two-places",
    "attributions": "why",
    "matter": "radius",
    "range": "distances",
    "fields": "fields",
    "radii": "fields",
}


def file_name(view: View, scope: str, kind: str) -> str:
    """Such as `panda_0021-layers.png`; `scope` is one of `SCOPES`."""
    part = SCOPES[scope].format(layer=view.layer)
    return f"{Path(view.picture.name).stem}-{part}.{kind}"


def file(view: View, scope: str, kind: str) -> bytes:
    """The maps as one of `KINDS`.

    Args:
        view: what is shown.
        scope: `layers`, the chosen place in every layer, or `heads`, all heads of the layer.
        kind: one of `KINDS`.
    """
    layers = (view.layer,) if scope == "heads" else tuple(view.gsa.recording.layers)
    heads = "each" if scope == "heads" else view.chosen.heads
    made_from = provenance(view, layers=layers, heads=heads)
    if kind == "npz":
        return export.npz_bytes(view.gsa.recording, made_from)
    if scope == "heads":
        shown = panels.one_layer(view.gsa.recording, view.layer, view.chosen)
    else:
        shown = view.found
    drawn = [
        figures.Panel(
            layer=panel.layer,
            branch=panel.branch,
            weights=panel.shown,
            cells=panel.cells,
            measures=panel.measures,
            title=text["head_one"].format(head=int(panel.heads) + 1) if scope == "heads" else "",
            limit=panel.limit,
            signed=panel.signed,
            root=panel.root,
        )
        for panel in shown
    ]
    names = text["figure_title"].format(picture=view.picture.name, name=view.gsa.card.name)
    squares = figures.legend_of([even_distance(each.cells, each.grid) for each in shown])
    legend = f"{squares} {meaning(view.chosen.value, signed=shown[0].signed)}"
    exact = view.chosen.value == "contribution"  # of each channel by itself
    rows = {} if exact else {"sum": text["figure_sum"]}
    figure = figures.strip(view.gsa.crop, drawn, f"{names}\n{about(view, scope)}", legend, rows)
    return export.figure_bytes(figure, kind, made_from)


def about(view: View, scope: str) -> str:
    """What of the page's state a figure shows."""
    chosen, recording = view.chosen, view.gsa.recording
    heads = text["figure_heads"].format(layer=view.layer)
    if scope != "heads":
        names = head_names(recording[view.layer].heads)
        heads = names.get(chosen.heads, names["mean"])  # as `panels.combine` takes it
    return text["figure_about"].format(
        heads=heads,
        direction=text["directions"][chosen.direction],
        value=text["values"][chosen.value],
        place=place(chosen, recording),
    )


def place(chosen: Selection, recording: Recording) -> str:
    """The chosen place in words: its finest cell, as on the page; of a region the pixels."""
    if edges := chosen.region(recording.height, recording.width):
        top, left, bottom, right = edges
        return str(text["figure_region"].format(top=top, left=left, bottom=bottom, right=right))
    grid = panels.finest_grid(recording)
    row, column = chosen.point(grid)
    about = {"row": row + 1, "column": column + 1, "rows": grid.rows, "columns": grid.columns}
    return str(text["figure_point"].format(**about))


def provenance(view: View, made: type[Provenance] = Provenance, **fields: object) -> Provenance:
    """What a file of the page is made from.

    Args:
        view: what is shown.
        made: the class, which may have fields of its own.
        fields: `layers`, `heads`, and whatever is not as the switches of the page say.
    """
    chosen, recording = view.chosen, view.gsa.recording
    height, width = recording.height, recording.width
    said: dict[str, object] = {
        "crop_box": view.gsa.crop_box,
        "place": chosen.place(height, width),
        "region": chosen.region(height, width),
        "scale": chosen.scale,
        "direction": chosen.direction,
        "value": chosen.value,
    }
    return made.of(view.gsa.card, view.picture.data, view.picture.name, **(said | fields))


def python(view: View) -> str:
    """A program that computes the shown map of the chosen layer and draws the maps of all."""
    chosen, recording = view.chosen, view.gsa.recording
    path = f"app/gallery/{view.picture.gallery}" if view.picture.gallery else view.picture.name
    # the very function that the page's maps are made by
    of = f"{panels.map_of(chosen).__module__}.{panels.map_of(chosen).__name__}"
    combined = {
        "mean": "gsa.mean_over_heads(weights)",
        "absolute": "gsa.mean_absolute_over_heads(weights)",
        "max": "gsa.max_absolute_over_heads(weights)",
    }.get(chosen.heads, f"weights[{chosen.heads}]")
    drawn = {"absolute": "abs(shown)", "deviation": "shown - shown.mean()"}.get(
        chosen.value, "shown"
    )
    colours = f"signed={panels.can_be_negative(chosen.value, chosen.heads)}"
    if chosen.value == "contribution":
        colours += ", root=True"
    height, width = recording.height, recording.width
    if edges := chosen.region(height, width):
        numbers = ", ".join(f"{edge:.2f}" for edge in edges)
        cells = f"gsa.Cells.over(grid, {numbers})  # top, left, bottom, right in pixels"
    else:
        numbers = ", ".join(f"{at:.2f}" for at in chosen.place(height, width))
        cells = f"gsa.Cells.at(*grid.cell_at({numbers}))  # row, column in pixels"
    return f"""import gsa
from gsa import figures

checkpoint = gsa.load({view.gsa.card.name!r})
crop = checkpoint.preprocess.crop(gsa.open_picture({path!r}))
recording = gsa.record(checkpoint.model, checkpoint.preprocess.tensor(crop))

panels = []
for name, layer in recording.layers.items():
    grid = recording.grid(name)
    cells = {cells}
    for branch in gsa.maps.branches(layer):
        weights = {of}(layer, branch, cells)  # (heads, rows, columns)
        shown = {combined}
        measures = gsa.measure(shown, cells, grid)
        print(name, branch, measures, gsa.prove(layer, branch, cells, {chosen.direction!r}))
        panels.append(figures.Panel(name, branch, {drawn}, cells, measures, {colours}))
figures.strip(crop, panels).savefig("maps.png")  # each map at a scale of its own
"""


def link(chosen: Selection, gallery: str) -> str:
    """What follows the app's address to open this state again."""
    there = f"#{ANCHOR}" if chosen.section != Selection().section else ""
    return "/?" + urlencode(state.to_parameters(chosen, gallery)) + there
