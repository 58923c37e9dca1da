"""Companions of what was seen are of the network and the picture that they say."""

from dataclasses import replace

import numpy as np
import pytest

import gsa
from app import experiments
from gsa import stability
from tests.app import test_leaving

view = test_leaving.view


@pytest.fixture
def seen(view):
    return replace(view.gsa, key="experiments")  # by which results are kept


@pytest.mark.parametrize("kind", ["untrained", "shuffled"])
def test_a_network_that_learned_nothing_is_drawn_by_its_seed(seen, kind):
    of = {
        "untrained": lambda seed: gsa.untrained(seen.card, seed),
        "shuffled": lambda seed: gsa.shuffled(seen.network, seed),
    }[kind]
    drawn = []
    for seed in (0, 2):
        found = experiments.companion(seen, kind, seed=seed).logits
        x = experiments.input_of(seen)
        np.testing.assert_allclose(found, gsa.record(of(seed).model, x).logits, rtol=1e-4)
        drawn.append(found)
    assert not np.allclose(*drawn)


@pytest.mark.parametrize(
    ("kind", "pixels", "of"),
    [
        ("moved", (4, 0), lambda x: stability.moved(x, 4, 0)),
        ("moved", (0, -8), lambda x: stability.moved(x, 0, -8)),
        ("mirrored", (0, 3), lambda x: stability.mirrored(x, 3)),
    ],
)
def test_a_changed_picture_is_moved_down_and_across_as_was_asked(seen, kind, pixels, of):
    found = experiments.companion(seen, kind, pixels).logits
    wanted = gsa.record(seen.network.model, of(experiments.input_of(seen))).logits
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert not np.allclose(found, seen.recording.logits)
