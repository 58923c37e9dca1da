"""The two positional steps on a CPU, in blocks whose scores stay in the processor's cache.

They are for where `gsa.native_steps` cannot be. What all faster ways have in common is here too.

They are (3) and (5) of `gsa.formulas`. Seen along its axis a step is the same for every *line*: a
row of a picture for the row step, a column for the column step. The scores of a block of lines are
used up before the next block's are made, and the backward pass makes them again instead of keeping
them, so the whole score tensor, the largest of the module, is never in memory. Queries are laid out
position by position, since all lines share the embeddings of a position; values line by line. A
channels-last tensor (all channels of a pixel side by side) gives both in copies of whole channels,
a block at a time.

The results equal `column_step(column_scores(...))` and its row pair in `gsa.formulas` up to
rounding. Derivatives are those of `backward` and `autograd.grad`, one at a time; second and batched
ones (`first_derivatives`) and forward mode need the plain formulas (`switched_off`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

_SCORE_BYTES = 2**20  # of a block: what a common L2 cache holds

_VECTOR = 16  # numbers in single precision that a register of 512 bits holds

_off = ContextVar("off", default=False)

Gradients = TypeVar("Gradients")


@contextmanager
def switched_off() -> Iterator[None]:
    """Inside, the plain formulas are used, so that both can be compared."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def wanted() -> bool:
    """Whether a faster way may be taken: not inside `switched_off`, nor while torch looks on.

    `torch.compile` has kernels of its own for the plain formulas; counters, tracers, fake tensors
    and `torch.func` see operations of torch alone.
    """
    looked_on = (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or is_in_torch_dispatch_mode()
        or torch._C._are_functorch_transforms_active()
    )
    # in this order: some versions of torch cannot trace what follows
    return not looked_on and not _off.get()


def first_derivatives(
    backward: Callable[[Any, Tensor], Gradients],
) -> Callable[[Any, Tensor], Gradients]:
    """Decorator for the `backward` of every faster way, which autograd cannot see into.

    What it computes is a constant to autograd, so second derivatives would miss it without a word.

    Raises:
        RuntimeError: in the backward pass, where second (`create_graph=True`) or batched
            derivatives (`is_grads_batched=True`, `torch.func`) are wanted of it.
    """

    @wraps(backward)
    def alone(ctx: Any, grad: Tensor) -> Gradients:
        batched = torch._C._are_functorch_transforms_active() or (
            not torch.compiler.is_compiling()  # which has no name for the function that follows
            and torch._C._functorch.is_legacy_batchedtensor(grad)  # as `is_grads_batched` gives
        )
        if batched or torch.is_grad_enabled():
            raise RuntimeError(
                "Second and batched derivatives (`create_graph`, `is_grads_batched`) need the "
                "plain formulas: make the forward pass inside `gsa.fast.switched_off()`."
            )
        return backward(ctx, grad)

    return alone


def channels_last(x: Tensor) -> Tensor:
    """(b, c, y, x) with all channels of a pixel side by side, as every faster way wants it.

    On a CPU, torch's batch norm in eval mode gives a wrong gradient for a single picture whose
    values lie channel by channel and whose gradient comes pixel by pixel.
    """
    if torch._C._are_functorch_transforms_active():  # torch.func cannot ask for a layout
        return x
    return x.contiguous(memory_format=torch.channels_last)


def pays(q: Tensor) -> bool:
    """Whether these functions are the faster way for the queries (`python -m gsa bench`)."""
    return q.device.type == "cpu" and wanted()


def step_dtype(q: Tensor) -> torch.dtype:
    """The type a step is made in: that of autocast where it is on, else that of the queries.

    As torch's autocast does, double precision is left alone.
    """
    if torch.is_autocast_enabled(q.device.type) and q.dtype != torch.float64:
        return torch.get_autocast_dtype(q.device.type)
    return q.dtype


def column_attention(q: Tensor, pairs: Tensor, v: Tensor) -> Tensor:
    """Column step: out[b, h, :, y, x] = Σ_i (q[b, h, :, y, x] · pairs[y, i]) v[b, h, :, i, x].

    Args:
        q: (b, h, d, y, x).
        pairs: r_c[i - y] for each pair of rows, (y, i, d), from `gsa.formulas.by_pair`.
        v: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory.
    """
    return _step(q, pairs, v, columns=True)


def row_attention(q: Tensor, pairs: Tensor, u: Tensor) -> Tensor:
    """Row step: out[b, h, :, y, x] = Σ_j (q[b, h, :, y, x] · pairs[x, j]) u[b, h, :, y, j].

    Args:
        q: (b, h, d, y, x).
        pairs: r_r[j - x] for each pair of columns, (x, j, d), from `gsa.formulas.by_pair`.
        u: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory.
    """
    return _step(q, pairs, u, columns=False)


def _step(q: Tensor, pairs: Tensor, v: Tensor, *, columns: bool) -> Tensor:
    dtype = step_dtype(q)
    q, pairs, v = (each.to(dtype) for each in (q, pairs, v))
    out = _AxialAttention.apply(pixels(q), pairs, pixels(v), columns)
    return out.permute(0, 3, 4, 1, 2)


def pixels(x: Tensor) -> Tensor:
    """(b, h, c, y, x) to (b, y, x, h, c); no copy where the memory is channels last."""
    return x.permute(0, 3, 4, 1, 2).contiguous()


def heads_joined(x: Tensor) -> Tensor:
    """(b, h, c, y, x) to (b, h * c, y, x), where each step keeps to the memory of `pixels`.

    Of a single picture `flatten` makes a tensor that torch takes for one with all pixels of a
    channel side by side: it would copy it, and go on with such memory.
    """
    return x.permute(0, 3, 4, 1, 2).flatten(3).permute(0, 3, 1, 2)


def _lines(x: Tensor, columns: bool) -> Tensor:
    """(b, y, x, h, c) as (b, line, n, h, c): n positions along each line."""
    return x.transpose(1, 2) if columns else x


def _blocks(q: Tensor) -> list[tuple[slice, slice]]:
    """Pictures, and lines of them, of queries (b, line, n, h, d) whose scores are made at once."""
    b, lines, n, heads, _ = q.shape
    line = n * n * heads * q.element_size()
    if lines * line <= _SCORE_BYTES:
        pictures = _SCORE_BYTES // (lines * line)
        return [(slice(at, at + pictures), slice(None)) for at in range(0, b, pictures)]
    some = max(1, _SCORE_BYTES // line)
    return [
        (slice(at, at + 1), slice(c, c + some)) for at in range(b) for c in range(0, lines, some)
    ]


def _by_position(block: Tensor) -> Tensor:
    """(b, line, n, h, c) as (n, b * line * h, c)."""
    return block.permute(2, 0, 1, 3, 4).flatten(1, 3)


def _by_line(block: Tensor) -> Tensor:
    """(b, line, n, h, c) as (b * line * h, n, c), in memory too: products of views are slower."""
    return block.transpose(2, 3).flatten(0, 2).contiguous()


class _AxialAttention(torch.autograd.Function):
    """q (b, y, x, h, d), pairs (n, n, d) and v (b, y, x, h, e) to (b, y, x, h, e).

    In the comments L stands for the lines of a block and their heads, a for the position of a
    query along its line, i for the position that is read.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, pairs: Tensor, v: Tensor, columns: bool) -> Tensor:
        ctx.save_for_backward(q, pairs, v)
        ctx.columns = columns
        out = torch.empty_like(v)
        q, v, target = (_lines(each, columns) for each in (q, v, out))
        to_scores = pairs.transpose(1, 2)
        for at in _blocks(q):
            scores = torch.bmm(_by_position(q[at]), to_scores)  # (a, L, i)
            read = _read(scores.transpose(0, 1), _by_line(v[at]))  # (L, a, e)
            _put(target[at].transpose(2, 3), read)
        return out

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, pairs, v = ctx.saved_tensors
        grad_q, grad_v = torch.empty_like(q), torch.empty_like(v)
        q, v, grad, to_q, to_v = (_lines(x, ctx.columns) for x in (q, v, grad, grad_q, grad_v))
        # many lines' shares are summed up, in single precision at least
        wide = torch.promote_types(pairs.dtype, torch.float32)
        grad_pairs = torch.zeros_like(pairs, dtype=wide)
        for at in _blocks(q):
            grad_pairs += _go_back(pairs, q[at], v[at], grad[at], to_q[at], to_v[at])
        return grad_q, grad_pairs.to(pairs.dtype), grad_v, None


def _go_back(
    pairs: Tensor, q: Tensor, v: Tensor, grad: Tensor, to_q: Tensor, to_v: Tensor
) -> Tensor:
    """Fill in one block's gradients of q and v; returns its share of the gradient of the pairs.

    A block is a call of its own so that its tensors are gone before the next block's are made.
    """
    by_position, lines_grad = _by_position(q), _by_line(grad)
    scores = torch.bmm(by_position, pairs.transpose(1, 2))  # (a, L, i)
    _put(to_v.transpose(2, 3), _read(scores.permute(1, 2, 0), lines_grad))
    del scores  # as large as the slopes that follow
    slopes = torch.bmm(lines_grad, _by_line(v).transpose(1, 2)).transpose(0, 1)  # (a, L, i)
    _put(to_q.permute(2, 0, 1, 3, 4), torch.bmm(slopes, pairs))
    return torch.bmm(slopes.transpose(1, 2), by_position)  # (a, i, d)


def _read(scores: Tensor, values: Tensor) -> Tensor:
    """(L, a, i) times (L, i, e): (L, a, e), by the faster of two ways.

    In single precision a product whose result is narrower than a vector register takes up to three
    times as long as its transpose.
    """
    if scores.dtype == torch.float32 and values.shape[-1] < _VECTOR:
        return torch.bmm(values.transpose(1, 2), scores.transpose(1, 2)).transpose(1, 2)
    return torch.bmm(scores, values)


def _put(target: Tensor, found: Tensor) -> None:
    """Copy a product into its place, whose axes stand in the same order."""
    target.copy_(found.view(target.shape))
