"""What is replayed or differentiated: numpy has no half that torch has, and autocast rounds."""

import numpy as np
import pytest
import torch

from gsa.cells import Cells
from gsa.contributions import reverse_contribution_map
from gsa.heuristics import output_gradients
from gsa.record import record
from gsa.replay import replayed
from tests.conftest import noise, tiny_model


@pytest.mark.parametrize("branch", ["content", "positional"])
def test_autocast_around_a_replay_has_no_effect(recording, branch):
    layer = recording["2.1"]
    plain = replayed(layer, branch, layer.v)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(replayed(layer, branch, layer.v), plain)


def test_autocast_does_not_touch_contributions_in_single_precision(model):
    layer, cells = record(model, noise())["1.1"], Cells.at(3, 3)
    plain = reverse_contribution_map(layer, "sum", cells)
    with torch.autocast("cpu", torch.bfloat16):
        inside = reverse_contribution_map(layer, "sum", cells)
    np.testing.assert_array_equal(inside, plain)


def test_gradients_are_float32_of_halves_and_the_same_inside_autocast(model):
    plain = output_gradients(model, noise(), 3)
    with torch.autocast("cpu", torch.bfloat16):
        inside = output_gradients(torch.compile(model, backend="eager"), noise(), 3)
    halves = output_gradients(tiny_model().bfloat16(), noise(), 3)
    for name, gradient in plain.items():
        np.testing.assert_array_equal(inside[name], gradient)
        assert halves[name].dtype == np.float32
        assert np.corrcoef(halves[name].ravel(), gradient.ravel())[0, 1] > 0.9
