"""The batches of a run: drawn, changed and mixed, each a function of the seed and the step alone.

So a run that goes on after a kill sees what an unbroken one sees, and so does one whose batches
are made by several processes beside it. A GPU would wait for a single one most of the time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from multiprocessing import get_all_start_methods

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from gsa.augment import erase, mix, views
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe
from gsa.rng import seeded
from gsa.split import Split

_MARGIN = 1.15  # decoded pictures keep this much more than the input, for crops to choose from
_MOST_WORKERS = 12


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """The batch of every step: x (n, 3, size, size) float32, targets (n,) or (n, classes).

    Args:
        recipe: says what is drawn and how it is changed.
        preprocess: gives mean and deviation of the colours.
        learn: the pictures, which are decoded once, here.

    Raises:
        ValueError: if there are fewer pictures than a batch has.
    """

    def __init__(self, recipe: Recipe, preprocess: Preprocess, learn: Split) -> None:
        self.recipe, self.preprocess = recipe, preprocess
        self.epoch_steps = len(learn) // recipe.batch_size
        if not self.epoch_steps:
            raise ValueError(
                f"`batch_size` (={recipe.batch_size}) exceeds the {len(learn)} training pictures."
            )
        self.pictures = learn.decoded(math.ceil(recipe.size * _MARGIN))
        self.targets = torch.tensor(learn.targets)
        self.classes = len(learn.labels)

    def __len__(self) -> int:
        return self.recipe.epochs * self.epoch_steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, at = divmod(step, self.epoch_steps)
        n = self.recipe.batch_size
        order = _permutation(len(self.pictures), self.recipe.seed, epoch)
        batch = order[at * n : (at + 1) * n]
        # seeds of neighbouring steps must not collide between recipes' seeds
        with _drawing(self.recipe.seed * 1_000_003 + step):
            pixels = views([self.pictures[each] for each in batch], self.recipe, epoch)
            x = erase(self.preprocess.normalise(pixels), self.recipe)
            return mix(x, self.targets[batch], self.classes, self.recipe)

    def since(self, step: int, workers: int, *, pin: bool) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches from a step to the last.

        Args:
            step: the first, from 0.
            workers: processes that make them in advance; 0 makes each when it is asked for.
            pin: whether to keep them in memory from which a GPU copies without a stop.
        """
        forked = workers > 0 and "fork" in get_all_start_methods()
        loader = DataLoader(
            self,
            batch_size=None,  # an item is a whole batch
            sampler=range(step, len(self)),
            num_workers=workers,
            pin_memory=pin,
            # a fork shares the pictures; others would get each of them through a file of its own
            multiprocessing_context="fork" if forked else None,
            generator=torch.Generator(),  # for a seed of the processes that no batch depends on
        )
        return iter(loader)


def _drawing(seed: int) -> AbstractContextManager[None]:
    """Inside, random numbers depend on the seed alone.

    The generators of a process that makes batches are its own and are not kept; it may be a fork
    of one with a GPU, whose generators it cannot ask for.
    """
    if get_worker_info():
        torch.manual_seed(seed)
        return nullcontext()
    return seeded(seed)


def workers_beside(device: torch.device, devices: int) -> int:
    """Processes that make the batches of each device.

    None beside a CPU, which they would slow; beside GPUs their share of the cores, but one.
    """
    if device.type == "cpu":
        return 0
    return min(_MOST_WORKERS, max((os.cpu_count() or 1) // devices - 1, 1))


@lru_cache(maxsize=1)
def _permutation(n: int, seed: int, epoch: int) -> list[int]:
    """The order of `n` pictures in an epoch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(n, generator=generator).tolist()
