"""Forward passes wait for a turn, so that sessions share the cores; files keep nobody waiting."""

import threading

import pytest
from torch.nn.modules.module import register_module_forward_pre_hook

from app import compare_pictures, compare_resources, experiments, resources
from app.compare_resources import MIXERS
from gsa import samples
from gsa.attention import GlobalSelfAttention
from gsa.interventions import Limits
from gsa.resnet import ResNet
from tests.app import compare_support
from tests.app.test_pages import encoded
from tests.conftest import photo

data = compare_support.data


class Turns:
    """As many turns as are asked for; knows which thread has one."""

    def __init__(self):
        self.own = threading.local()

    @property
    def taken(self):
        return getattr(self.own, "taken", 0)

    def __enter__(self):
        assert not self.taken  # of a number of turns, whoever has one must not wait for another
        self.own.taken = 1

    def __exit__(self, *_):
        self.own.taken = 0


@pytest.fixture
def passes(tiny_checkpoints, monkeypatch):
    """Whether there was a turn, for each forward pass of a network and each file decoded."""
    turns = Turns()
    found = {"passes": [], "files": []}
    prepared = samples.prepared
    for mixer in MIXERS:
        resources.checkpoint(f"tiny_{mixer}")
    monkeypatch.setattr(resources, "TURNS", turns)

    def decoded(*rest):
        found["files"].append(bool(turns.taken))
        return prepared(*rest)

    def watched(module, _):
        if isinstance(module, ResNet | GlobalSelfAttention):
            found["passes"].append(bool(turns.taken))

    monkeypatch.setattr(samples, "prepared", decoded)
    hook = register_module_forward_pre_hook(watched)
    yield found
    hook.remove()


RADII = (0.0, 8.0)
EXPERIMENTS = {
    "mirrored": lambda seen: experiments.companion(seen, "mirrored"),
    "untrained": lambda seen: experiments.companion(seen, "untrained"),
    "shuffled": lambda seen: experiments.companion(seen, "shuffled"),
    "limited": lambda seen: experiments.limited(seen, Limits(radius=8)),
    "by_radius": lambda seen: experiments.by_radius(seen, RADII, "far"),
    "by_shuffling": lambda seen: experiments.by_shuffling(seen, (30.0, 30.0), RADII),
    "effect": lambda seen: experiments.effect(seen, (0, 0, 8, 8), "blank", (30.0, 30.0)),
    "explained": lambda seen: experiments.explained(seen, 1, "grad_cam"),
    "by_chance": lambda seen: experiments.by_chance(seen, 1),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_waits_for_its_turn(passes, name):
    seen = resources.seen("tiny_gsa", f"for {name}", encoded(photo()))
    EXPERIMENTS[name](seen)
    assert len(passes["passes"]) > 1  # that of the picture itself among them
    assert all(passes["passes"])


PAIR = {mixer: f"tiny_{mixer}" for mixer in MIXERS}
MEASUREMENTS = {
    "fields": lambda _: compare_resources.fields(PAIR, (0.5, 0.5), trained=True),
    "random fields": lambda _: compare_resources.fields(PAIR, (0.5, 0.5), trained=False),
    "layers": lambda _: compare_resources.costs(PAIR, "layer", "cpu", "float32", 1e-9),
    "networks": lambda _: compare_resources.costs(PAIR, "network", "cpu", "float32", 1e-9),
    "probe": lambda _: compare_resources.probe("same", 6),
    "stress": lambda folder: compare_resources.stress(PAIR, "shift", folder, 6),
    "differences": lambda folder: compare_resources.differences(PAIR, folder, 6),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_waits_for_its_turns_and_decodes_in_none(passes, data, name, monkeypatch):
    monkeypatch.setenv(compare_pictures.DATA, str(data))  # no visitor asks, from here or elsewhere
    shares = [share for share, _ in MEASUREMENTS[name](str(data))]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert passes["passes"]
    assert all(passes["passes"])
    assert not any(passes["files"])
    assert bool(passes["files"]) == (name in ("stress", "differences"))
