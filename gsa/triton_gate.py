"""Whether Triton kernels may stand in for plain formulas, and what they need to know for it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from gsa import fast

MOST_CHANNELS = 64  # of a head
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def takes(*tensors: Tensor) -> bool:
    """Whether there are kernels for tensors (b, h, channels, y, x), the queries first.

    Returns:
        True on a CUDA device in single or half precision, or in autocast, with up to 64 channels in
        a head, where Triton is installed; False also where `gsa.fast.wanted` says no.
    """
    q = tensors[0]
    if q.device.type != "cuda" or not fast.wanted() or not installed():
        return False
    if fast.step_dtype(q) not in _DTYPES:
        return False
    if any(each.device != q.device or _places(each) != _places(q) for each in tensors):
        return False
    # nothing to do otherwise, or an image too large for offsets of 32 bits
    fits = all(0 < each.numel() < 2**31 * len(each) for each in tensors)
    return fits and max(each.shape[2] for each in tensors) <= MOST_CHANNELS


def _places(x: Tensor) -> tuple[int, ...]:
    """(b, h, y, x), which tensors of one call have in common."""
    return *x.shape[:2], *x.shape[3:]


@cache
def installed() -> bool:
    """Whether there is Triton; not every torch comes with it."""
    return find_spec("triton") is not None


@cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; 1 for other devices."""
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


def precision() -> str:
    """How a kernel multiplies in single precision: as torch's own products do."""
    return "tf32" if torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"
