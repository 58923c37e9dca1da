"""Whether Triton kernels may stand in for plain formulas: what they take, and whether they work."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from gsa import fast

MOST_CHANNELS = 64  # of a head
_TOLERANCES = {torch.float32: 0.01, torch.float16: 0.01, torch.bfloat16: 0.04}  # of the largest


def takes(*tensors: Tensor) -> bool:
    """Whether there are kernels for tensors (b, h, channels, y, x), the queries first.

    Returns:
        True on a CUDA device in single or half precision, or in autocast, with up to 64 channels in
        a head, where Triton is installed; False also where `gsa.fast.wanted` says no.
    """
    q = tensors[0]
    if q.device.type != "cuda" or not fast.wanted() or not installed():
        return False
    if fast.step_dtype(q) not in _TOLERANCES:
        return False
    # nothing to do otherwise, or an image too large for offsets of 32 bits
    fits = all(0 < each.numel() < 2**31 * len(each) for each in tensors)
    return fits and max(each.shape[2] for each in tensors) <= MOST_CHANNELS


def trusted(
    what: str, device: torch.device, dtype: torch.dtype, error: Callable[[], float]
) -> bool:
    """Whether kernels work on a device; if not, a warning says that the plain formulas remain.

    Args:
        what: the kernels do.
        device: that they run on.
        dtype: they run in.
        error: runs them and compares (`relative_error`).
    """
    try:
        found = error()
    except Exception as failure:  # of Triton, a compiler or the driver
        trouble = f"{type(failure).__name__}: {failure}".splitlines()[0]
    else:
        if found <= _TOLERANCES[dtype]:
            return True
        trouble = f"the relative error is {found:.2g}"
    warnings.warn(
        f"On {device} the plain formulas take some {what}, as the Triton kernels for them fail "
        f"there: {trouble}.",
        RuntimeWarning,
        stacklevel=4,
    )
    return False


def relative_error(
    plain: Callable[..., Tensor],
    quick: Callable[..., Tensor],
    tensors: Sequence[Tensor],
    device: torch.device,
) -> float:
    """Largest error of a result and its gradients, relative to the largest value of each.

    Args:
        plain: formulas, taken in double precision on the CPU.
        quick: kernels for the same, taken on the device.
        tensors: what both are given.
        device: see `quick`.
    """
    off = (torch.autocast(kind, enabled=False) for kind in ("cpu", "cuda"))
    with torch.inference_mode(False), torch.enable_grad(), next(off), next(off):
        exact = [each.double().requires_grad_() for each in tensors]
        given = [each.to(device).requires_grad_() for each in tensors]
        wanted, found = plain(*exact), quick(*given)
        slope = noise(*found.shape, seed=1).to(found.dtype)
        wanted_grads = torch.autograd.grad(wanted, exact, slope.double())
        found_grads = torch.autograd.grad(found, given, slope.to(device))
        errors = [
            (a - b.cpu()).abs().max() / a.abs().max()
            for a, b in zip((wanted, *wanted_grads), (found, *found_grads), strict=True)
        ]
    return torch.stack(errors).max().item()  # NaN, if any is


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Numbers to try kernels on, the same each time and whatever the default device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), device="cpu")


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
