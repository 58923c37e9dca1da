"""The query norm on a CPU in one pass over the data, by the project's C++ (`gsa.native`).

It is `gsa.formulas.normalise_queries`. As operations of torch it is made of several passes, which
take an eighth of a small network's training step. First derivatives only, as in `gsa.fast`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from gsa import fast, kernel_checks, native
from gsa.formulas import normalise_queries

_NORM = native.Function(  # `NormCall` of gsa/cpp/calls.h
    "gsa_norm",
    ("pixels", "heads", "d"),
    ("x", "grad", "gain", "bias", "eps", "out", "to_x", "to_gain", "to_bias"),
)


def available(q: Tensor, heads: int) -> bool:
    """Whether `query_norm` can take queries (b, width, y, x), and should.

    Returns:
        Whether `gsa.native.takes` them and they are in single precision or bfloat16, and the
        function was compared with the plain formula on a tiny input, as in `gsa.native_steps`.
    """
    channels = q.shape[1] // heads
    return (
        q.dtype in native.DTYPES
        and native.takes(q, channels=channels)
        and _works(q.dtype, channels)
    )


def query_norm(q: Tensor, gain: Tensor, bias: Tensor, heads: int, eps: float) -> Tensor:
    """As `gsa.formulas.normalise_queries`, for queries for which `available` says yes.

    Returns:
        (b, width, y, x) in channels-last memory and in the type of q.
    """
    pixels = q.permute(0, 2, 3, 1).contiguous()
    return _QueryNorm.apply(pixels, gain, bias, heads, eps).permute(0, 3, 1, 2)


class _QueryNorm(torch.autograd.Function):
    """q (b, y, x, width), gain and bias (width) to (b, y, x, width)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, gain: Tensor, bias: Tensor, heads: int, eps: float) -> Tensor:
        ctx.save_for_backward(q, gain, bias)
        ctx.heads, ctx.eps = heads, eps
        out = q.new_empty(q.shape)
        _run(q, gain, bias, heads, eps, out=out)
        return out

    @staticmethod
    @fast.first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, gain, bias = ctx.saved_tensors
        to_q = q.new_empty(q.shape)
        to_gain, to_bias = (
            each.new_empty(each.shape, dtype=torch.float32) for each in (gain, bias)
        )
        given = {"grad": grad.to(q.dtype).contiguous(), "to_x": to_q}
        _run(q, gain, bias, ctx.heads, ctx.eps, **given, to_gain=to_gain, to_bias=to_bias)
        return to_q, to_gain.to(gain.dtype), to_bias.to(bias.dtype), None, None


def _run(q: Tensor, gain: Tensor, bias: Tensor, heads: int, eps: float, **data: Tensor) -> None:
    """Fill in `out`, or, with `grad`, `to_x`, `to_gain` and `to_bias`."""
    b, y, x, width = q.shape
    small = {"gain": gain, "bias": bias, "eps": torch.tensor([eps], device="cpu")}
    tensors = {name: each.float().contiguous() for name, each in small.items()}
    numbers = {"pixels": b * y * x, "heads": heads, "d": width // heads}
    _NORM(q.dtype, numbers, {"x": q, **tensors, **data})


@cache
def _works(dtype: torch.dtype, d: int) -> bool:
    """Whether norms of d channels in a head, and their gradients, are those of the formula."""
    device = torch.device("cpu")
    return kernel_checks.trusted("C++", "query norms", device, dtype, lambda: _error(dtype, d))


def _error(dtype: torch.dtype, d: int) -> float:
    """Of 45 pixels, which fill no whole number of blocks."""
    heads = 3
    q = kernel_checks.noise(1, 5, 9, heads * d).permute(0, 3, 1, 2)
    small = [kernel_checks.noise(heads * d, seed=seed) for seed in (1, 2)]

    def plain(q: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return normalise_queries(q, gain, bias, heads, 1e-5)

    def quick(q: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return query_norm(q, gain, bias, heads, 1e-5)

    tensors = [each.to(dtype) for each in (q, *small)]
    return kernel_checks.relative_error(plain, quick, tensors, torch.device("cpu"))
