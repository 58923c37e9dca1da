import numpy as np
import pytest
import torch

from gsa.baselines import edge_map, nearness, shuffled, untrained
from gsa.checkpoints import load
from gsa.record import record
from tests.conftest import noise


def test_a_shuffled_network_keeps_its_weights_and_loses_their_order(checkpoint_folder):
    trained = load("tiny_gsa", checkpoint_folder)
    mixed = shuffled(trained, seed=1)
    ours, theirs = trained.model.stem.weight, mixed.model.stem.weight
    assert not torch.equal(ours, theirs)
    assert torch.equal(ours.flatten().sort().values, theirs.flatten().sort().values)
    assert torch.equal(theirs, shuffled(trained, seed=1).model.stem.weight)
    assert "shuffled" in mixed.card.name
    assert not mixed.card.results


def test_baselines_are_recorded_like_any_network(checkpoint_folder):
    trained = load("tiny_gsa", checkpoint_folder)
    for blank in (untrained(trained.card), shuffled(trained)):
        recording = record(blank.model, noise())
        assert list(recording.layers) == ["1.1", "2.1", "3.1", "4.1"]
        assert np.isfinite(recording.logits).all()


def test_the_trained_network_is_left_as_it_was(checkpoint_folder):
    trained = load("tiny_gsa", checkpoint_folder)
    before = trained.model(noise())
    shuffled(trained)
    assert torch.equal(trained.model(noise()), before)


def test_edges_lie_where_brightness_jumps():
    halves = np.zeros((6, 10))
    halves[:, 5:] = 1.0
    edges = edge_map(halves)
    assert edges.shape == (6, 10)
    assert (edges[:, 4:6] > 0.4).all()
    assert not edges[:, :4].any()
    assert not edges[:, 6:].any()


def test_nearness_falls_from_the_middle_to_the_corners():
    near = nearness(5, 9)
    assert near.shape == (5, 9)
    assert near[2, 4] == near.max() == 1
    assert near[0, 0] == near[-1, -1] == near.min() == 0
    assert near[0, 4] == near[4, 4] == near[2, 2]  # two pixels away, each
    assert nearness(1, 1).tolist() == [[1.0]]


def test_a_picture_of_one_row_has_edges_along_it_alone():
    assert edge_map(np.ones((1, 1))).tolist() == [[0.0]]
    assert edge_map(np.array([[0.0, 1.0, 2.0]])).tolist() == [[1.0, 1.0, 1.0]]
    with pytest.raises(ValueError, match=r"shape \(3, 8, 8\); it must be \(rows, columns\)"):
        edge_map(np.ones((3, 8, 8)))
