"""What this machine is: processor, memory, GPU and versions, for cards, benchmarks and limits."""

from __future__ import annotations

import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PROJECT = "gsa-explorer"  # the name of its distribution
_DISTRIBUTIONS = {
    "gsa": PROJECT,
    "lightning_fabric": "lightning-fabric",
    "torchmetrics": "torchmetrics",
    "safetensors": "safetensors",
}


def processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory() -> float:
    """Bytes that this process may fill: the machine's, or its container's; infinity if unknown."""
    try:
        found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # as on Windows
        return math.inf
    try:
        return min(found, float(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no container, or the word "max"
        return found


def gpu(device: str) -> str:
    """The name of the GPU that a device of torch stands for; empty for a processor."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else ""


def version_of(distribution: str) -> str:
    """The version of an installed distribution, else `not installed`.

    As the project itself, where it runs from its folder.
    """
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def described(device: str) -> dict[str, Any]:
    """What a measurement on a device of torch was made with, for its file."""
    return {"processor": processor(), "gpu": gpu(device), "versions": versions()}


def versions() -> dict[str, str]:
    """Of Python, this project and the libraries that a trained network depends on."""
    import torchvision  # takes longer to load than the rest of the project

    # the distributions of these two do not say which CUDA they were built for
    found = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    for name, distribution in _DISTRIBUTIONS.items():
        found[name] = version_of(distribution)
    return {"python": platform.python_version(), **found}


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a machine or a device has too little memory.

    On a GPU torch has a class for it; what it raises on a CPU is told by its words alone.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(each in str(error) for each in words)
