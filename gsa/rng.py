"""Torch's global random generators, for one caller at a time.

They are the process's, not the thread's: two threads that seed them and draw would get numbers of
each other. What draws from them goes through this door.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_DOOR = threading.RLock()


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Inside, random numbers depend on the seed alone; afterwards the generators go on as before.

    Args:
        seed: None to draw from the generators as they are, and change them.
    """
    with _DOOR:
        if seed is None:
            yield
            return
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            yield
