"""The page of the JSON fields tells what exported files hold, both ways."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import markup
from app.selection import Selection, to_parameters
from app.widgets import Widget
from gsa import probes, scaling
from tests.app import compare_support, test_compare_files
from tests.app.compare_support import section, start
from tests.app.test_pages import MAIN
from tests.document_support import differing, differing_arrays

page, data, files = compare_support.page, compare_support.data, test_compare_files.files
CHOSEN = Selection(0.25, 0.5, bottom=0.5, right=0.875, other_bottom=0.5, other_right=0.5)


@pytest.fixture
def taken(tiny_checkpoints, monkeypatch):
    """Opens a section of the inspector, and gives what makes its files, by scope."""
    found = {}

    def opened(name):
        app = AppTest.from_file(MAIN, default_timeout=120)
        app.query_params.update(to_parameters(CHOSEN, "panda_0021.jpg") | {"section": name})
        app.run()
        assert not app.exception
        if name == "why":
            app.button(Widget.why).click().run()
            assert not app.exception
        return found

    monkeypatch.setattr(markup, "numbers", lambda _, scope, make: found.update({scope: make}))
    monkeypatch.setattr(
        markup, "downloads", lambda _, scope, make, *__, **___: found.update({scope: make})
    )
    return opened


def archive(make):
    """The arrays of an NPZ, and the provenance in it."""
    arrays = np.load(io.BytesIO(make("npz")))
    return dict(arrays), json.loads(str(arrays["provenance"]))


@pytest.mark.parametrize(
    ("name", "scopes", "anchor", "provenance"),
    [
        ("take", ["layers", "heads"], "maps-as-npz", "provenance"),
        ("stable", ["companions"], "companions-as-npz", "provenance"),
        ("places", ["places"], "two-places-as-npz", "provenance-of-two-places"),
        ("why", ["attributions"], "attributions-as-npz", "provenance-of-twins"),
        ("range", ["fields"], "fields-as-npz", "provenance-of-twins"),
    ],
)
def test_archives_and_provenances(taken, name, scopes, anchor, provenance):
    makers = taken(name)
    for scope in scopes:
        arrays, said = archive(makers[scope])
        assert differing_arrays(anchor, arrays) == []
        drawn = Image.open(io.BytesIO(makers[scope]("png"))).text["Description"]
        assert differing(provenance, [said, json.loads(drawn)]) == []


@pytest.mark.parametrize(
    ("name", "scope", "anchor"),
    [
        ("matter", "matter", "probabilities-by-radius-as-json"),
        ("range", "range", "distances-as-json"),
        ("range", "radii", "fields-as-json"),
        ("places", "alike", "two-places-as-json"),
    ],
)
def test_numbers_behind_charts(taken, name, scope, anchor):
    assert differing(anchor, [json.loads(taken(name)[scope]())]) == []


def test_an_array_that_differs_is_found():
    arrays = {"cells": np.arange(4), "provenance": np.array("{}")}
    arrays |= {f"content_{each}": np.ones((2, 3), np.float32) for each in ("own", "other", "over")}
    assert differing_arrays("two-places-as-npz", arrays) == ["other_cells was never there"]
    arrays |= {"other_cells": np.arange(3), "more": np.ones(1)}
    arrays["content_over"] = np.ones((2, 4), np.float32)
    assert differing_arrays("two-places-as-npz", arrays) == [
        "content_over is float32 (2, 4) and not float32 (2, 3)",
        "other_cells is int64 (3,) and not int64 (4,)",
        "more is 0 times on the page",
    ]


def quick(probe, mixer):
    yield probes.Progress(mixer, 1, 1, 0.5, [(0.5, 0.4, 0.6)] * len(probes.BINS))


def ideal(cost, *_):
    return replace(cost, seconds=cost.flops * 1e-12, spread=0.0, peak_bytes=1.0 * cost.pixels)


def test_measurements_of_the_compare_page(page, files, data, monkeypatch):
    monkeypatch.setattr(probes, "run", quick)
    monkeypatch.setattr(scaling, "_timed", ideal)
    monkeypatch.setattr(scaling, "SIZES", (32, 64))
    found = []

    def measured(name):
        start(page)
        found.append(json.loads(files[name]))
        return found[-1]["result"]

    fields = measured("compare-fields-tiny.json")
    # no Gaussian of the picture's size fits where all pixels count alike
    assert differing("result-of-fields", [fields]) == ["even[].sigma was never there"]
    section(page, "cost")
    assert differing("cost", measured("compare-cost-tiny.json")) == []
    page.button_group(Widget.compare_cost_kind).set_value("network").run()
    assert differing("cost", measured("compare-cost-tiny.json")) == []
    section(page, "right").text_input(f"{Widget.compare_right}_folder").set_value(str(data)).run()
    assert differing("differ", [measured("compare-right-tiny.json")]) == []
    section(page, "stress").text_input(f"{Widget.compare_stress}_folder").set_value(str(data)).run()
    scores = measured("compare-stress-tiny.json")
    section(page, "probes")
    assert differing("result-of-probe", [measured("compare-probe.json")]) == []
    assert differing("measurements-of-the-compare-page", found) == []

    scores[0]["severity"] = float(scores[0]["severity"])  # whole in the test that comes first
    assert differing("stress", [scores]) == []
    arrays = np.load(io.BytesIO(files["compare-fields-tiny.npz"]))
    assert differing_arrays("measurements-of-the-compare-page", dict(arrays)) == []
    said = json.loads(str(arrays["provenance"]))
    assert said == {name: each for name, each in found[0].items() if name != "result"}
