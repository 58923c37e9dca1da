"""What evaluation counts, on eight answers that can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa.card import Card
from gsa.checkpoints import Checkpoint
from gsa.evaluate import calibration_error, evaluate, share_of
from gsa.preprocess import Preprocess
from gsa.resnet import ResNet
from gsa.split import Pixels, Split
from tests.conftest import tiny_config

LABELS = ("ant", "bee", "cat")
TARGETS = (0, 0, 0, 0, 0, 1, 1, 2)
ANSWERS = (0, 0, 0, 0, 0, 1, 0, 1)  # all ants are right, one of two bees, and not the cat
CONFIDENCE = (0.9, 0.9, 0.5, 0.5, 0.5, 0.9, 0.9, 0.5)  # three of four are right at either


def answered() -> torch.Tensor:
    """The class probabilities (n, classes): what an answer leaves, the other two classes share."""
    left = (1 - torch.tensor(CONFIDENCE)) / 2
    found = left[:, None].repeat(1, len(LABELS))
    found[range(len(ANSWERS)), ANSWERS] = torch.tensor(CONFIDENCE)
    return found


@pytest.fixture
def found(monkeypatch):
    """What is said of a network of temperature 2 that gives these answers."""
    config = replace(tiny_config(), num_classes=len(LABELS))
    card = Card(
        name="counted",
        pair="counted",
        network=config,
        preprocess=Preprocess(config.input_size),
        classes=LABELS,
        data={"name": "nothing"},
        results={"temperature": 2.0},
    )
    monkeypatch.setattr("gsa.evaluate.logits_of", lambda *_: 2 * answered().log())
    blank = Pixels(np.zeros((len(TARGETS), 8, 8, 3), np.uint8))
    places = tuple((blank, str(at)) for at in range(len(TARGETS)))
    return evaluate(Checkpoint(ResNet(config), card), Split(places, TARGETS, LABELS))


def test_every_class_counts_alike_however_many_pictures_it_has(found):
    assert found["n"] == 8
    assert found["top1"] == 6 / 8
    assert found["mean_per_class"] == (5 / 5 + 1 / 2 + 0 / 1) / 3


def test_shares_are_of_counts():
    """A mean in single precision has another eighth digit."""
    right = torch.arange(1501) < 1218
    assert share_of(right) == 1218 / 1501 != float(right.float().mean())


def test_the_best_five_of_three_classes_are_all(found):
    assert found["top5"] == 1


def test_the_calibration_error_is_of_probabilities_at_the_temperature(found):
    gaps = 0.9 - 3 / 4, 3 / 4 - 0.5  # too sure of one half of the answers, not enough of the other
    assert found["calibration_error"] == pytest.approx((4 * gaps[0] + 4 * gaps[1]) / 8)


def test_a_network_that_is_as_sure_as_it_is_right_has_no_calibration_error():
    sure = torch.tensor([[0.75, 0.25]] * 4)
    assert calibration_error(sure, torch.tensor([0, 0, 0, 1])) == pytest.approx(0)
    assert calibration_error(sure, torch.tensor([1, 1, 1, 0])) == pytest.approx(0.5)
