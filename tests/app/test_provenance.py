"""All that leaves the page names what it was made from, in every field."""

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from app import chart_files, experiments, leaving, panels, places, section_files
from app.selection import Selection
from gsa.machine import PROJECT, version_of
from tests.app import test_leaving, test_section_files
from tests.app.test_section_files import CHANCE

view, twins = test_leaving.view, test_section_files.twins
SIDE = 64  # of what the tiny networks take
EDGES = {"row": 0.25, "column": 0.5, "bottom": 0.5, "right": 0.875}
OTHER = {"row": 0.625, "column": 0.125, "bottom": 0.75, "right": 0.5}
CHOSEN = Selection(
    **EDGES,
    **{f"other_{name}": edge for name, edge in OTHER.items()},
    heads="1",
    direction="to",
    value="absolute",
    scale="layer",
    companion_scale="own",
)
TARGET = "bee"
BEHIND = ("radii", "probabilities", "rows")  # the numbers of a chart


def in_pixels(edges):
    """The middle (row, column), and (top, left, bottom, right)."""
    row, column, bottom, right = (SIDE * edge for edge in edges.values())
    return [(row + bottom) / 2, (column + right) / 2], [row, column, bottom, right]


def said(data):
    """The provenance in a file."""
    if data.startswith(b"\x89PNG"):
        return json.loads(Image.open(io.BytesIO(data)).text["Description"])
    if data.startswith(b"PK"):
        return json.loads(str(np.load(io.BytesIO(data))["provenance"]))
    whole = json.loads(data)
    return {name: whole[name] for name in whole if name not in BEHIND}


PLACES = dict(zip(("other_place", "other_region"), in_pixels(OTHER), strict=True))
WHOLE = {"place": [SIDE / 2, SIDE / 2], "region": [0, 0, SIDE, SIDE]}
RAW = {"heads": "each", "value": "weight", "scale": "none"}
ALL, ONE, NONE = ["1.1", "2.1", "3.1", "4.1"], ["2.1"], []
EXPORTS = {
    "layers png": (lambda v, _: leaving.file(v, "layers", "png"), {"layers": ALL}),
    "layers npz": (lambda v, _: leaving.file(v, "layers", "npz"), {"layers": ALL, **RAW}),
    "heads png": (
        lambda v, _: leaving.file(v, "heads", "png"),
        {"layers": ONE, "heads": "each"},
    ),
    "heads npz": (lambda v, _: leaving.file(v, "heads", "npz"), {"layers": ONE, **RAW}),
    "companions": (
        lambda v, _: section_files.companions_file(v, "npz"),
        {"layers": ONE, "scale": "own", "direction": "from"},
    ),
    "places": (
        lambda v, _: section_files.places_file(v, "npz"),
        {"layers": ONE, "scale": "own", **PLACES},
    ),
    "attributions": (
        lambda v, found: section_files.attributions_file(v, TARGET, found, CHANCE, "", "npz"),
        {
            **WHOLE,
            "layers": NONE,
            "heads": "none",
            "scale": "own",
            "direction": "none",
            "value": "attribution",
        },
    ),
    "radius": (
        lambda v, _: chart_files.radius_file(v, TARGET, [], {}),
        {
            "layers": ALL,
            "heads": "all",
            "scale": "none",
            "direction": "from",
            "value": "probability",
        },
    ),
    "ranges": (
        lambda v, _: chart_files.ranges_file(v, [], "weight"),
        {"layers": ALL, "scale": "none", "direction": "from", "value": "weight"},
    ),
    "alike": (
        lambda v, _: chart_files.alike_file(v, places.alike(v)),
        {"layers": ALL, "scale": "none", **PLACES},
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_every_field_of_a_provenance_is_that_of_the_page(twins, monkeypatch, name):
    monkeypatch.setattr(experiments, "companion", lambda seen, *_, **__: seen.recording)
    before, found = twins
    shown = replace(before, chosen=CHOSEN, found=panels.all_layers(before.gsa.recording, CHOSEN))
    make, own = EXPORTS[name]
    width, height = Image.open(io.BytesIO(shown.picture.data)).size
    assert width > height
    place, region = in_pixels(EDGES)
    wanted = {
        "checkpoint": "tiny_gsa",
        "weights_sha256": shown.gsa.card.sha256,
        "picture": "blobs.png",
        "picture_sha256": hashlib.sha256(shown.picture.data).hexdigest(),
        "crop_box": [(width - height) / 2, 0, (width + height) / 2, height],
        "place": place,
        "heads": CHOSEN.heads,
        "scale": CHOSEN.scale,
        "region": region,
        "direction": CHOSEN.direction,
        "value": CHOSEN.value,
        "gsa_version": version_of(PROJECT),
        "torch_version": torch.__version__,
    }
    if name in ("attributions", "radius"):
        twin = shown.seen["conv"].card
        wanted |= {"twin": twin.name, "twin_weights_sha256": twin.sha256, "target": TARGET}
    assert said(make(shown, found)) == wanted | own


def test_of_a_point_there_is_no_region(twins):
    shown = replace(twins[0], chosen=Selection(0.25, 0.75, other_row=0.5, other_column=0.125))
    found = json.loads(chart_files.alike_file(shown, []))
    assert (found["place"], found["region"]) == ([0.25 * SIDE, 0.75 * SIDE], None)
    assert (found["other_place"], found["other_region"]) == ([0.5 * SIDE, 0.125 * SIDE], None)
