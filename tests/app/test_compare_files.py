"""What is measured leaves with its settings, its networks and their weights."""

import io
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from app import compare_resources
from app.compare_files import Measurement
from app.text import words
from app.views import compare_run
from app.widgets import Widget
from gsa import export, probes, scaling
from gsa.checkpoints import read_card
from gsa.defaults import GALLERY
from gsa.machine import processor, versions
from tests.app import compare_support
from tests.app.compare_support import section, start

TEXT = words("compare")
page, data = compare_support.page, compare_support.data


@pytest.fixture
def files(page, monkeypatch):
    """The files that the page offers, by name."""
    found = {}

    def made(measurement, kind, make):
        found[measurement.file_name(kind)] = make()

    monkeypatch.setattr(compare_run, "_file", made)
    return found


def read(files, name):
    """The result in a JSON file, after a look at where it is from."""
    whole = json.loads(files[name])
    wanted = [] if "probe" in name else ["tiny_gsa", "tiny_conv"]
    assert {
        each["checkpoint"]: each["weights_sha256"] for each in whole["networks"]
    } == {each: read_card(each).sha256 for each in wanted}  # fmt: skip
    assert whole["gsa_version"]
    assert whole["torch_version"]
    assert whole["settings"]
    assert whole["machine"] == {"processor": processor(), "gpu": "", "versions": versions()}
    return whole["result"], whole["settings"]


def test_maps_without_weight_have_no_distance_in_a_file():
    found = compare_resources.Fields(
        size=64, place=(32.0, 32.0), names=("a.jpg",), of={"gsa": [], "conv": []},
        distances={"content": [math.nan, 7.5]}, reach=[1.0], even_distances=[9.0], even=[],
    )  # fmt: skip
    assert json.loads(export.json_bytes(found.to_dict()))["distances"] == {"content": [None, 7.5]}


def test_fields_leave_as_data_and_maps(page, files):
    start(page)
    result, settings = read(files, "compare-fields-tiny.json")
    assert settings == {"weights": "trained", "row": 0.5, "column": 0.5}
    assert result["pictures"] == 16
    # the command line averages over the same
    assert result["names"] == [path.name for path in sorted(GALLERY.glob("*.jpg"))][:16]
    assert "ReLU" in result["unit"]
    layers = [each["layer"] for each in result["fields"]["conv"]]
    assert len(layers) == len(result["distances"]["content"]) == len(result["reach"])
    archive = np.load(io.BytesIO(files["compare-fields-tiny.npz"]))
    assert set(archive.files) == {
        "provenance", *(f"{mixer}_{layer}" for mixer in ("gsa", "conv") for layer in layers)
    }  # fmt: skip
    assert archive[f"conv_{layers[0]}"].shape == (64, 64)
    assert json.loads(str(archive["provenance"]))["settings"] == settings


def test_costs_leave_as_data(page, files, monkeypatch):
    monkeypatch.setattr(scaling, "SIZES", (32, 64))
    start(section(page, "cost"))
    result, settings = read(files, "compare-cost-tiny.json")
    assert {each["size"] for each in result} == {32, 64}
    assert settings["of"] == "layer"
    whole = json.loads(files["compare-cost-tiny.json"])
    network = read_card("tiny_gsa").network
    assert whole["measured"] == {
        "width": network.widths[0], "heads": network.heads, "projection_norm": "rms",
    }  # fmt: skip
    assert whole["threads"] == 1


def test_costs_of_networks_name_the_network(tiny_checkpoints):
    measurement = Measurement("cost", {"of": "network"}, {"gsa": "tiny_gsa", "conv": "tiny_conv"})
    network = read_card("tiny_gsa").network.to_dict()
    assert measurement.provenance["measured"] == {"network": network}


def test_answers_and_scores_leave_as_data(page, files, data):
    section(page, "right")
    page.text_input(f"{Widget.compare_right}_folder").set_value(str(data)).run()
    start(page)
    result, settings = read(files, "compare-right-tiny.json")
    assert result["n"] == 6
    assert settings["folder"] == str(data)
    section(page, "stress")
    page.text_input(f"{Widget.compare_stress}_folder").set_value(str(data)).run()
    start(page)
    result, settings = read(files, "compare-stress-tiny.json")
    assert {each["test"] for each in result} == {settings["test"]}


def test_a_probe_leaves_as_data_of_no_checkpoint(page, files, monkeypatch):
    def quick(probe, mixer):
        yield probes.Progress(mixer, 1, 1, 0.5, [(0.5, 0.4, 0.6)] * len(probes.BINS))

    monkeypatch.setattr(probes, "run", quick)
    start(section(page, "probes"))
    result, settings = read(files, "compare-probe.json")
    assert settings == {"task": "same", "steps": probes.Probe.steps}
    assert result["distances"] == [list(each) for each in probes.BINS]
    assert len(result["twins"]["conv"]["accuracy"]) == len(probes.BINS)


def test_the_page_offers_them(page):
    start(page)
    offered = [each.label for each in page.get("download_button")]
    assert offered == list(TEXT["files"].values())


def test_a_file_names_the_weights_of_when_its_result_was_drawn(monkeypatch):
    def weights(sha256):
        card = SimpleNamespace(name="a", sha256=sha256)
        monkeypatch.setattr(compare_resources, "cards", lambda _: {"gsa": card})

    weights("before")
    measurement = Measurement("right", {}, {"gsa": "a", "conv": "b"})
    for sha256 in ("before", "after"):
        weights(sha256)
        found = json.loads(measurement.json_bytes(1))
        assert found["networks"] == [{"checkpoint": "a", "weights_sha256": "before"}]
