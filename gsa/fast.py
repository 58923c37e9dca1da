"""The two positional steps without copies, for tensors in channels-last memory on a CPU.

A channels-last tensor holds all channels of a pixel side by side, so the heads of a picture's
pixels are a regular stack of small matrices and every product below reads its operands where they
lie. A picture's scores are used up before the next picture's are made: they stay in the processor's
cache, and the backward pass makes them again instead of keeping them.

The results equal `column_step(column_scores(...))` and its row pair in `gsa.attention` up to
rounding. First derivatives only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SCORES_AT_ONCE = 2**18  # entries: what half of a common L2 cache holds in single precision
_LONG = 24  # cells of an axis from which on no copies are worth one call for each picture


_off = ContextVar("off", default=False)


@contextmanager
def switched_off() -> Iterator[None]:
    """Inside, the plain formulas are used, so that both can be compared."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def pays(q: Tensor, axis: int) -> bool:
    """Whether these functions are the faster way for the queries (b, h, d, y, x) along an axis.

    A single picture needs no copies in the plain formulas either. Short axes pay in single
    precision without gradients alone: with them, and in half precision, the calls take longer than
    the copies they save (`python -m gsa bench`).
    """
    if q.device.type != "cpu" or len(q) == 1 or torch.compiler.is_compiling() or _off.get():
        return False
    half = torch.is_autocast_enabled("cpu") or q.dtype in (torch.bfloat16, torch.float16)
    return q.shape[axis] >= _LONG or not (half or torch.is_grad_enabled())


def column_attention(q: Tensor, pairs: Tensor, v: Tensor) -> Tensor:
    """Column step: out[b, h, :, y, x] = Σ_i (q[b, h, :, y, x] · pairs[y, i]) v[b, h, :, i, x].

    Args:
        q: (b, h, d, y, x).
        pairs: r_c[i - y] for each pair of rows, (y, i, d), from `gsa.attention.by_pair`.
        v: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory.
    """
    q, pairs, v = _same_type(q, pairs, v)
    return _heads_first(_ColumnAttention.apply(_heads_last(q), pairs, _heads_last(v)))


def row_attention(q: Tensor, pairs: Tensor, u: Tensor) -> Tensor:
    """Row step: out[b, h, :, y, x] = Σ_j (q[b, h, :, y, x] · pairs[x, j]) u[b, h, :, y, j].

    Args:
        q: (b, h, d, y, x).
        pairs: r_r[j - x] for each pair of columns, (x, j, d), from `gsa.attention.by_pair`.
        u: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory.
    """
    q, pairs, u = _same_type(q, pairs, u)
    return _heads_first(_RowAttention.apply(_heads_last(q), pairs, _heads_last(u)))


def _heads_last(x: Tensor) -> Tensor:
    """(b, h, c, y, x) to (b, y, x, h, c); no copy where the memory is channels last."""
    return x.permute(0, 3, 4, 1, 2).contiguous()


def _heads_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 4, 1, 2)


def _same_type(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All in the type of autocast where that is on, else in that of the first."""
    wanted = tensors[0].dtype
    if torch.is_autocast_enabled("cpu") and wanted != torch.float64:
        wanted = torch.get_autocast_dtype("cpu")
    return tuple(each.to(wanted) for each in tensors)


def _sum_like(x: Tensor) -> Tensor:
    """Zeros to sum up many pictures' shares in, in single precision at least."""
    return torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32))


def _column_blocks(q: Tensor) -> list[tuple[int, slice]]:
    """Pictures, and blocks of their columns, whose scores are made at once."""
    b, y, x, h, _ = q.shape
    block = max(1, _SCORES_AT_ONCE // (y * y * h))
    return [(at, slice(left, left + block)) for at in range(b) for left in range(0, x, block)]


def _columns(x: Tensor, picture: int, block: slice) -> Tensor:
    """Some columns of one picture of (b, y, x, h, c) as (y, columns * h, c)."""
    return x[picture, :, block].flatten(1, 2)


class _ColumnAttention(torch.autograd.Function):
    """q (b, y, x, h, d), pairs (y, i, d), v (b, i, x, h, e) to (b, y, x, h, e)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, pairs: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(q, pairs, v)
        out = torch.empty_like(v)
        to_scores = pairs.transpose(1, 2)
        for at in _column_blocks(q):
            scores = torch.bmm(_columns(q, *at), to_scores).transpose(0, 1)  # (x * h, y, i)
            read = torch.bmm(scores, _columns(v, *at).transpose(0, 1))  # (x * h, y, e)
            _columns(out, *at).copy_(read.transpose(0, 1))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, pairs, v = ctx.saved_tensors
        grad = grad.contiguous()
        grad_q, grad_v = torch.empty_like(q), torch.empty_like(v)
        to_scores = pairs.transpose(1, 2)
        grad_pairs = _sum_like(to_scores)
        for at in _column_blocks(q):
            q_1, v_1, grad_1 = (_columns(each, *at) for each in (q, v, grad))
            scores = torch.bmm(q_1, to_scores)  # (y, x * h, i)
            read = torch.bmm(grad_1.permute(1, 2, 0), scores.transpose(0, 1))  # (x * h, e, i)
            _columns(grad_v, *at).copy_(read.permute(2, 0, 1))
            slopes = torch.bmm(grad_1.transpose(0, 1), v_1.permute(1, 2, 0)).transpose(0, 1)
            _columns(grad_q, *at).copy_(torch.bmm(slopes, pairs))  # from (y, x * h, i)
            grad_pairs += torch.bmm(q_1.transpose(1, 2), slopes)  # (y, d, i)
        return grad_q, grad_pairs.transpose(1, 2).to(pairs.dtype), grad_v


def _row_blocks(q: Tensor) -> list[tuple[slice, int]]:
    """Blocks of pictures, and heads, whose scores are made at once."""
    b, y, x, h, _ = q.shape
    block = max(1, _SCORES_AT_ONCE // (y * x * x))
    return [(slice(at, at + block), head) for at in range(0, b, block) for head in range(h)]


def _rows(x: Tensor, block: slice, head: int) -> Tensor:
    """One head of some pictures (b, y, x, h, c) as (b * y, x, c)."""
    return x[block, :, :, head].flatten(0, 1)


class _RowAttention(torch.autograd.Function):
    """q (b, y, x, h, d), pairs (x, j, d), u (b, y, j, h, e) to (b, y, x, h, e)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, pairs: Tensor, u: Tensor) -> Tensor:
        ctx.save_for_backward(q, pairs, u)
        out = torch.empty_like(u)
        to_scores = pairs.transpose(1, 2)
        for at in _row_blocks(q):
            scores = torch.bmm(_rows(q, *at).transpose(0, 1), to_scores)  # (x, b * y, j)
            _rows(out, *at).copy_(torch.bmm(scores.transpose(0, 1), _rows(u, *at)))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, pairs, u = ctx.saved_tensors
        grad = grad.contiguous()
        grad_q, grad_u = torch.empty_like(q), torch.empty_like(u)
        to_scores = pairs.transpose(1, 2)
        grad_pairs = _sum_like(to_scores)
        for at in _row_blocks(q):
            q_1, u_1, grad_1 = (_rows(each, *at) for each in (q, u, grad))  # (b * y, x, .)
            scores = torch.bmm(q_1.transpose(0, 1), to_scores)  # (x, b * y, j)
            read = torch.bmm(grad_1.transpose(1, 2), scores.transpose(0, 1))  # (b * y, e, j)
            _rows(grad_u, *at).copy_(read.transpose(1, 2))
            slopes = torch.bmm(grad_1, u_1.transpose(1, 2)).transpose(0, 1)  # (x, b * y, j)
            _rows(grad_q, *at).copy_(torch.bmm(slopes, pairs).transpose(0, 1))
            grad_pairs += torch.bmm(q_1.permute(1, 2, 0), slopes)  # (x, d, j)
        return grad_q, grad_pairs.transpose(1, 2).to(pairs.dtype), grad_u
