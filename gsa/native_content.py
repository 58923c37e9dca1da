"""The content branch on a CPU, by the project's C++ where it can be compiled (`gsa.native`).

It is (1) and (2) of `gsa.formulas`. As operations of torch it writes the normalised keys, and its
output with all pixels of a channel side by side, where everything else has all channels of a pixel
side by side. `gsa/cpp` makes the weights of a block of pixels at a time and uses them up, and the
backward pass makes them again. First derivatives only, as in `gsa.fast`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from gsa import fast, kernel_checks, native

_CONTENT = native.Function(  # `ContentCall` of gsa/cpp/calls.h
    "gsa_content",
    ("images", "pixels", "heads", "d"),
    ("q", "k", "v", "grad", "add", "out", "to_q", "to_k", "to_v", "alone", "kept"),
)


def available(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether `content_branch` can take these tensors, and should.

    Before the first branch of a kind (type, channels) it is compiled, which takes seconds once on a
    machine, and compared with the plain formulas on a tiny input; if that fails, a warning says so
    and the answer for this kind stays no.

    Args:
        q: queries (b, h, d, y, x).
        k: keys (b, h, d, y, x), not normalised.
        v: values (b, h, e, y, x).

    Returns:
        Whether `gsa.native.takes` them, and the examination was passed.
    """
    return native.takes(q, k, v, channels=q.shape[2]) and _works(fast.step_dtype(q), q.shape[2])


def content_branch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Q(ρ(K)ᵀV) with ρ the softmax of each key channel over all pixels.

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        k: (b, h, d, y, x), not normalised.
        v: (b, h, d, y, x).

    Returns:
        (b, h, d, y, x), in channels-last memory; in the type of autocast where that is on, else
        in that of q.
    """
    dtype = fast.step_dtype(q)
    out = _ContentBranch.apply(*(fast.pixels(each.to(dtype)) for each in (q, k, v)))
    return out.permute(0, 3, 4, 1, 2)


class _ContentBranch(torch.autograd.Function):
    """q, k and v (b, y, x, h, d) to (b, y, x, h, d)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        numbers, out = _numbers(q), v.new_empty(v.shape)
        kept = q.new_empty(_CONTENT.count("kept", q.dtype, numbers), dtype=torch.float32)
        _CONTENT(q.dtype, numbers, {"q": q, "k": k, "v": v, "out": out, "kept": kept})
        ctx.save_for_backward(q, k, v, kept)
        return out

    @staticmethod
    @fast.first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        q, k, v, kept = ctx.saved_tensors
        given = {"q": q, "k": k, "v": v, "grad": grad.contiguous(), "kept": kept}
        wanted = {f"to_{name}": q.new_empty(q.shape) for name in "qkv"}
        _CONTENT(q.dtype, _numbers(q), {**given, **wanted})
        return tuple(wanted.values())


def _numbers(q: Tensor) -> dict[str, int]:
    b, y, x, h, d = q.shape
    return {"images": b, "pixels": y * x, "heads": h, "d": d}


@cache
def _works(dtype: torch.dtype, d: int) -> bool:
    """Whether branches with d channels in a head, and their gradients, are the formulas'."""
    device = torch.device("cpu")
    return kernel_checks.trusted(
        "C++", "content branches", device, dtype, lambda: _error(device, dtype, d)
    )


def _error(device: torch.device, dtype: torch.dtype, d: int) -> float:
    """Of 70 pixels, which fill no whole number of blocks."""
    return kernel_checks.content_error(
        content_branch, device, dtype, heads=2, channels=(d, d), size=(7, 10)
    )
