"""Whether kernels do what the plain formulas do, tried on a tiny input before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gsa.formulas import (
    column_scores,
    column_step,
    content_attention,
    normalise_keys,
    row_scores,
    row_step,
)

_TOLERANCES = {torch.float32: 0.01, torch.float16: 0.01, torch.bfloat16: 0.04}  # of the largest


def trusted(
    kernels: str, what: str, device: torch.device, dtype: torch.dtype, error: Callable[[], float]
) -> bool:
    """Whether kernels work on a device; if not, a warning says that other ways remain.

    Args:
        kernels: their kind.
        what: they do.
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
        f"On {device} the {kernels} kernels are not used for some {what}, as they fail there: "
        f"{trouble}.",
        RuntimeWarning,
        stacklevel=4,
    )
    return False


def check_table(table: Tensor, cells: int, channels: int, device: torch.device) -> None:
    """ValueError for relative embeddings that are not those of an axis."""
    if table.shape != (2 * cells - 1, channels) or table.device != device:
        raise ValueError(
            f"The embeddings must be ({2 * cells - 1}, {channels}) on {device}, not "
            f"{tuple(table.shape)} on {table.device}."
        )


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
        given = [each.to(device, copy=True).requires_grad_() for each in tensors]
        wanted, found = plain(*exact), quick(*given)
        slope = noise(*found.shape, seed=1).to(found.dtype)
        wanted_grads = torch.autograd.grad(wanted, exact, slope.double())
        found_grads = torch.autograd.grad(found, given, slope.to(device))
        return largest_error((wanted, *wanted_grads), (found, *found_grads))


def largest_error(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """Largest error of several results, relative to the largest value of each; NaN, if any is.

    Args:
        wanted: by formulas, on the CPU.
        found: by kernels, on any device.
    """
    errors = [(a - b.cpu()).abs().max() / a.abs().max() for a, b in zip(wanted, found, strict=True)]
    return torch.stack(errors).max().item()


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Numbers to try kernels on, the same each time and whatever the default device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), device="cpu")


def plain_column_step(q: Tensor, r_c: Tensor, v: Tensor) -> Tensor:
    """The whole column step (3), by the formulas alone."""
    return column_step(column_scores(q, r_c), v)


def plain_row_step(q: Tensor, r_r: Tensor, u: Tensor) -> Tensor:
    """The whole row step (5), by the formulas alone."""
    return row_step(row_scores(q, r_r), u)


def plain_content_branch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The whole content branch (2), by the formulas alone."""
    return content_attention(q, normalise_keys(k), v)


def plain_branches(
    q: Tensor, k: Tensor, v: Tensor, r_c: Tensor, affine: tuple[Tensor, Tensor], r_r: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A module's output, its content and its positional branch, by the formulas alone.

    See `gsa.native_module.branches` for the arguments; all three are (b, width, y, x).
    """
    q, k, v = (each.unflatten(1, affine[0].shape) for each in (q, k, v))
    gain, offset = (each[:, :, None, None] for each in affine)
    content = plain_content_branch(q, k, v)
    u = gain * plain_column_step(q, r_c, v) + offset
    parts = content.flatten(1, 2), plain_row_step(q, r_r, u).flatten(1, 2)
    return parts[0] + parts[1], *parts


Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]


def step_error(
    column: Kernel,
    row: Kernel,
    device: torch.device,
    dtype: torch.dtype,
    *,
    heads: int,
    channels: tuple[int, int],
    n: int,
) -> float:
    """`relative_error` of kernels for the positional steps, along n cells.

    Args:
        column: takes q (b, h, d, y, x), r_c (2y - 1, d) and v (b, h, e, y, x) to (b, h, e, y, x).
        row: the same with r_r (2x - 1, d).
        device: to try them on.
        dtype: to try them in.
        heads: h.
        channels: d and e.
        n: rows for the column step, columns for the row step.
    """
    errors = []
    for plain, quick, y, x in ((plain_column_step, column, n, 3), (plain_row_step, row, 3, n)):
        q, v = (
            noise(3, y, x, heads, each, seed=seed).permute(0, 3, 4, 1, 2).to(dtype)
            for seed, each in enumerate(channels)
        )
        table = noise(2 * n - 1, channels[0], seed=2).to(dtype)
        errors.append(relative_error(plain, quick, (q, table, v), device))
    return float(torch.tensor(errors, device="cpu").max())  # NaN, if any is


def content_error(
    branch: Kernel,
    device: torch.device,
    dtype: torch.dtype,
    *,
    heads: int,
    channels: tuple[int, int],
    size: tuple[int, int],
) -> float:
    """`relative_error` of kernels for the content branch.

    Args:
        branch: takes q and k (b, h, d, y, x) and v (b, h, e, y, x) to (b, h, e, y, x).
        device: to try them on.
        dtype: to try them in.
        heads: h.
        channels: d and e.
        size: y and x.
    """
    d, e = channels
    tensors = [
        noise(2, *size, heads, each, seed=seed).permute(0, 3, 4, 1, 2).to(dtype)
        for seed, each in enumerate((d, d, e))
    ]
    return relative_error(plain_content_branch, branch, tensors, device)
