"""The content branch, (2) of `gsa.formulas`, on CUDA in two passes over the data, by Triton.

The plain formulas read the keys for their softmax, write ρ, read it again with the values for the
context ρ(K)ᵀV, and read the queries and the context for the result. Here the first pass reads keys
and values once: a maximum, a sum of exponentials and a product are kept for the tiles seen so far,
and scaled when the maximum grows. Each program takes a share of the pixels, and a small kernel puts
the shares together. The second pass reads the queries and writes the result.

The backward pass has two as well. One reads queries and the result's gradient, for the gradients of
the queries and of the context; the other reads keys and values, makes ρ again from the sums that
were kept, and needs no third for the mean that a softmax subtracts, since this is a product of the
context and its gradient. Shares are summed in a fixed order, without atomics, so a run repeats to
the bit on one kind of GPU.

The results equal `content_attention(q, normalise_keys(k), v)` of `gsa.formulas` up to rounding.
First derivatives only. Memory is read in place where the channels of all heads of a pixel are side
by side and pixels a constant step apart (channels last), and copied otherwise.
"""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from gsa import fast, kernel_checks, triton_gate

_TILE = 64  # pixels at most
_MOST_PIXELS = 2**19  # of an image, so that its tiles are less than 2¹⁶, the second axis's limit
_PROGRAMS = 4  # for each multiprocessor, so that one loads while another computes


def available(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether `content_branch` can take these tensors, and should.

    Before the first branch of a kind (device, type, precision of products, heads, channels) its
    kernels are compiled, which takes seconds, and compared with the plain formulas on a tiny input;
    if that fails, a warning says so and the answer for this kind stays no.

    Args:
        q: queries (b, h, d, y, x).
        k: keys (b, h, d, y, x), not normalised.
        v: values (b, h, e, y, x).
    """
    if not triton_gate.takes(q, k, v) or math.prod(q.shape[-2:]) > _MOST_PIXELS:
        return False
    (_, h, d, _, _), e = q.shape, v.shape[2]
    return _works(q.device, fast.step_dtype(q), triton_gate.precision(), h, d, e)


def content_branch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Q(ρ(K)ᵀV) with ρ the softmax of each key channel over all pixels.

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        k: (b, h, d, y, x), not normalised.
        v: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory; in the type of autocast where that is on, else in
        that of q.
    """
    dtype, (heads, _, rows, columns) = fast.step_dtype(q), q.shape[1:]
    out = _ContentBranch.apply(*(_by_pixel(each.to(dtype)) for each in (q, k, v)), heads)
    return out.view(len(q), rows, columns, heads, -1).permute(0, 3, 4, 1, 2)


def _by_pixel(x: Tensor) -> Tensor:
    """(b, h, channels, y, x) as (b, n, h · channels), with channels side by side."""
    return _in_place(x.permute(0, 3, 4, 1, 2).flatten(3).flatten(1, 2))


def _in_place(x: Tensor) -> Tensor:
    """(b, n, channels) as the kernels read it, an image within reach of 32 bits; else a copy."""
    reach = (x.shape[1] - 1) * x.stride(1) + x.shape[2]
    return x if x.stride(2) == 1 and reach < 2**31 else x.contiguous()


class _ContentBranch(torch.autograd.Function):
    """q and k (b, n, h · d) and v (b, n, h · e) to (b, n, h · e)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        context, tops, totals = _context(k, v, heads)
        ctx.heads = heads
        ctx.save_for_backward(q, k, v, context, tops, totals)
        out = torch.empty_like(v, memory_format=torch.contiguous_format)
        n, options = q.shape[1], _options(q, v, heads, out)
        with torch.cuda.device_of(q):
            _kernels().spread[_grid(context, math.ceil(n / options["TILE"]))](
                q, context, out, _strides(q), _strides(out), n, **options
            )
        return out

    @staticmethod
    @fast.first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, context, tops, totals = ctx.saved_tensors
        grad = _in_place(grad)
        of_q, of_context = _query_gradient(q, grad, v, context, ctx.heads)
        of_k, of_v = (
            torch.empty_like(each, memory_format=torch.contiguous_format) for each in (k, v)
        )
        n, options = k.shape[1], _options(k, v, ctx.heads, of_k, of_v)
        strides = map(_strides, (k, v, of_k, of_v))
        with torch.cuda.device_of(k):
            _kernels().key_value_gradients[_grid(context, math.ceil(n / options["TILE"]))](
                k, v, context, of_context, tops, totals, of_k, of_v, *strides, n, **options
            )
        return of_q, of_k, of_v, None


def _context(k: Tensor, v: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """ρ(K)ᵀV of groups of heads (b, groups, d, e); m = max k and Σ exp(k - m) (b, groups, d)."""
    options = _options(k, v, heads)
    wide = options["WIDE_D"], options["WIDE_E"]
    groups = len(k), math.ceil(heads / options["GROUP"])
    shares = _shares(k, groups, options)
    largest, sums = (_single(k, *groups, shares, wide[0]) for _ in range(2))
    products, context = _single(k, *groups, shares, *wide), _single(k, *groups, *wide)
    tops, totals = (_single(k, *groups, wide[0]) for _ in range(2))
    of_matrices = {name: options[name] for name in ("D", "E", "WIDE_D", "WIDE_E")}
    with torch.cuda.device_of(k):
        _kernels().gather[_grid(context, shares)](
            k, v, largest, sums, products, _strides(k), _strides(v), k.shape[1], **options
        )
        _kernels().combine[_grid(context, 1)](
            largest, sums, products, context, tops, totals, shares, **of_matrices
        )
    return context, tops, totals


def _query_gradient(
    q: Tensor, grad: Tensor, v: Tensor, context: Tensor, heads: int
) -> tuple[Tensor, Tensor]:
    """Gradients of the queries, and of the context (b, groups, d, e) with the heads mixed."""
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    strides, options = map(_strides, (q, grad, out)), _options(q, v, heads, grad, out)
    shares = _shares(q, context.shape[:2], options)
    products = _single(q, *context.shape[:2], shares, *context.shape[2:])
    with torch.cuda.device_of(q):
        _kernels().query_gradient[_grid(context, shares)](
            q, grad, context, out, products, *strides, q.shape[1], **options
        )
    return out, products.sum(2)


def _kernels() -> ModuleType:
    """Imported late: it takes time, and not every torch comes with Triton."""
    from gsa import triton_content_kernels

    return triton_content_kernels


def _single(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape, dtype=torch.float32)


def _strides(x: Tensor) -> tuple[int, int]:
    """Of images and pixels."""
    return x.stride(0), x.stride(1)


def _shares(x: Tensor, groups: tuple[int, ...], options: dict[str, Any]) -> int:
    """Programs that the pixels of a group are divided among."""
    wanted = triton_gate.multiprocessors(x.device) * _PROGRAMS // math.prod(groups)
    return max(1, min(wanted, math.ceil(x.shape[1] / options["TILE"])))


def _grid(context: Tensor, second: int) -> tuple[int, int]:
    """Groups of all images, and tiles or shares."""
    return math.prod(context.shape[:2]), second


def _options(k: Tensor, v: Tensor, heads: int, *others: Tensor) -> dict[str, Any]:
    """What a kernel is compiled for; all tensors are those whose strides it gets.

    The blocks are the largest with which the compiler, for compute capabilities 8.0 and 9.0, keeps
    the sums in registers.
    """
    d, e = k.shape[2] // heads, v.shape[2] // heads
    half, broad = k.dtype != torch.float32, max(d, e) > 32
    widest = 64 if half or broad else 32
    group = min(heads, widest // max(d, e))
    wide_d, wide_e = (max(16, 1 << (group * each - 1).bit_length()) for each in (d, e))
    strides = [stride for each in (k, v, *others) for stride in _strides(each)]
    return {
        "HEADS": heads,
        "D": d,
        "E": e,
        "GROUP": group,
        "WIDE_D": wide_d,
        "WIDE_E": wide_e,
        "TILE": _TILE if half else 16 if broad else 32,
        "ALIGN": math.gcd(16, group * d, group * e, *strides),
        "PRECISION": triton_gate.precision(),
        "num_warps": 4 if half else 8,
        "enable_fp_fusion": True,  # as torch's own products; Triton's default is changing
    }


@cache
def _works(
    device: torch.device, dtype: torch.dtype, precision: str, h: int, d: int, e: int
) -> bool:
    """Whether results and gradients are those of the plain formulas, at the precision set now."""
    return kernel_checks.trusted(
        "Triton", "content branches", device, dtype, lambda: _error(device, dtype, h, d, e)
    )


def _error(device: torch.device, dtype: torch.dtype, h: int, d: int, e: int) -> float:
    return kernel_checks.content_error(
        content_branch, device, dtype, heads=h, channels=(d, e), size=(3, _TILE)
    )
