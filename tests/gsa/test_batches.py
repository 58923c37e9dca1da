import numpy as np
import pytest
import torch
from PIL import Image

from gsa.augment import erase, mix, views
from gsa.batches import Batches, _permutation, workers_beside
from gsa.data import open_split
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for class_ in ("one", "two"):
        (root / class_).mkdir()
        for n in range(9):
            pixels = rng.integers(0, 255, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / class_ / f"{n}.png")
    recipe = Recipe(
        "p", str(root), "resnet14_tiny", 32, 2, batch_size=4, augment="trivial", erase=0.5,
        mixup=0.2, cutmix=1.0,
    )  # fmt: skip
    return Batches(recipe, Preprocess(32), open_split(str(root), "train"))


def test_there_is_a_whole_batch_for_each_step(batches):
    assert len(batches) == 2 * (18 // 4)
    x, targets = batches[0]
    assert x.shape == (4, 3, 32, 32)
    assert x.dtype == torch.float32
    assert targets.sum(1) == pytest.approx([1.0] * 4)


def test_an_epoch_draws_each_picture_once_and_in_another_order(batches, monkeypatch):
    monkeypatch.setattr(batches, "targets", torch.arange(18))
    monkeypatch.setattr(batches, "classes", 18)
    monkeypatch.setattr("gsa.batches.mix", lambda x, targets, *_: (x, targets))
    epochs = [
        [at for step in steps for at in batches[step][1].tolist()]
        for steps in (range(4), range(4, 8))
    ]
    assert all(len(set(epoch)) == 16 for epoch in epochs)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_depends_on_its_step_alone(batches, workers):
    later = list(batches.since(5, workers, pin=False))
    assert len(later) == 3
    torch.manual_seed(1)
    for step, (x, targets) in enumerate(later, start=5):
        assert torch.equal(x, batches[step][0])
        assert torch.equal(targets, batches[step][1])
    assert not torch.equal(batches[5][0], batches[6][0])


@pytest.mark.parametrize("workers", [0, 2])
def test_random_numbers_of_who_asks_for_batches_go_on_as_before(batches, workers):
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    drawn = [torch.rand(1)]
    steps = batches.since(6, workers, pin=False)
    for _ in range(2):
        next(steps)
        drawn.append(torch.rand(1))
    assert torch.cat(drawn).equal(wanted)


def test_a_process_that_is_a_fork_of_one_with_a_gpu_makes_batches(batches, monkeypatch):
    """There the generators of the GPU must not be asked for."""
    asked = torch.random.fork_rng
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises((RuntimeError, AssertionError)), asked(devices=[0]):
        pass
    x, _ = next(batches.since(5, 1, pin=False))
    monkeypatch.undo()
    assert x.equal(batches[5][0])


def test_batches_are_those_of_a_seeded_generator(batches):
    """What runs have learned from since the first version; the pinned seed is part of it."""
    torch.manual_seed(batches.recipe.seed * 1_000_003 + 5)
    order = _permutation(18, batches.recipe.seed, 1)[4:8]
    pixels = views([batches.pictures[at] for at in order], batches.recipe, 1)
    x = erase(batches.preprocess.normalise(pixels), batches.recipe)
    x, targets = mix(x, batches.targets[order], batches.classes, batches.recipe)
    assert x.equal(batches[5][0])
    assert targets.equal(batches[5][1])


def test_a_gpu_gets_processes_that_make_its_batches_and_a_cpu_none(monkeypatch):
    assert workers_beside(torch.device("cpu"), 1) == 0
    for cores, devices, workers in ((1, 1, 1), (8, 1, 7), (64, 1, 12), (16, 4, 3)):
        monkeypatch.setattr("os.cpu_count", lambda n=cores: n)
        assert workers_beside(torch.device("cuda"), devices) == workers
