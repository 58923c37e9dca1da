"""Torch's global generators, shared by threads."""

from concurrent.futures import ThreadPoolExecutor

import torch

from gsa.config import preset
from gsa.resnet import ResNet
from gsa.rng import seeded


def test_a_seed_decides_and_the_generator_goes_on_as_before():
    torch.manual_seed(5)
    wanted = torch.rand(2)
    torch.manual_seed(5)
    first = torch.rand(1)
    with seeded(3):
        one = torch.rand(3)
    with seeded(3):
        assert torch.rand(3).equal(one)
    assert torch.cat([first, torch.rand(1)]).equal(wanted)


def test_threads_that_build_networks_at_once_get_those_of_their_seeds():
    config = preset("resnet14_tiny", num_classes=3, input_size=32)

    def weights(seed):
        return torch.cat([p.detach().flatten() for p in ResNet(config, seed=seed).parameters()])

    alone = {seed: weights(seed) for seed in (0, 1)}
    seeds = [0, 1, None] * 8  # a network without a seed draws, too
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(weights, seeds))
    for seed, found in zip(seeds, together, strict=True):
        if seed is not None:
            assert found.equal(alone[seed])
