"""Numbers behind charts: JSON that says what it is of, and holds what is drawn."""

import json

import numpy as np

from app import chart_files, panels
from gsa import ranges
from tests.app import test_leaving, test_section_files

view = test_leaving.view
twins = test_section_files.twins


def test_curves_leave_with_both_twins_and_the_class(twins):
    shown, _ = twins
    curves = {"gsa_cut_far": np.array([0.25, 0.5]), "conv_shuffled_far": np.array([0.1, 1.0])}
    found = json.loads(chart_files.radius_file(shown, "bee", [4.0, 64.0], curves))
    assert found["radii"] == [4, 64]
    assert found["probabilities"] == {name: curve.tolist() for name, curve in curves.items()}
    assert (found["checkpoint"], found["twin"]) == ("tiny_gsa", "tiny_conv")
    assert found["weights_sha256"] == shown.gsa.card.sha256
    assert (found["target"], found["value"]) == ("bee", "probability")
    assert found["picture_sha256"] == shown.picture.digest


def test_distances_leave_with_their_place_and_heads(view):
    spread = panels.everywhere(view.gsa.recording, "2.1", "content", view.chosen)
    (panel,) = (each for each in view.found if (each.layer, each.branch) == ("2.1", "content"))
    nothing = dict.fromkeys(panel.measures.to_dict())  # of a map without weights
    rows = [
        {"layer": "2.1", "branch": "content", **panel.measures.to_dict(), "spread": spread},
        {"layer": "2.2", "branch": "content", **nothing, "spread": {}},
    ]
    found = json.loads(chart_files.ranges_file(view, rows, "weight"))
    assert found["rows"] == rows
    assert found["region"] == [16, 32, 32, 48]
    assert (found["heads"], found["direction"], found["value"]) == ("mean", "from", "weight")
    assert set(ranges.RangeMeasures.__annotations__) <= found["rows"][0].keys()
