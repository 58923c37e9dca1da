"""The positional steps on a CPU, by the project's C++ where it can be compiled (`gsa.native`).

They are (3) and (5) of `gsa.formulas`. As products of a matrix library they are many and small, and
their scores, n / d times as many numbers as the queries, are written and read again. `gsa/cpp`
makes the scores of a register's width of queries at a time and uses them up; the backward pass
makes them again. Where it is not there, `gsa.fast` takes the steps in blocks.

The results equal `column_step(column_scores(...))` and its row pair in `gsa.formulas` up to
rounding. First derivatives only, as in `gsa.fast`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from gsa import fast, kernel_checks, native

_STEP = native.Function(  # `StepCall` of gsa/cpp/calls.h
    "gsa_step",
    ("images", "lines", "n", "heads", "d", "along", "across"),
    ("q", "v", "grad", "table", "gain", "offset", "out", "to_q", "to_v", "to_table"),
)


def available(q: Tensor, v: Tensor) -> bool:
    """Whether these functions can take a step, and should.

    Before the first step of a kind (type, channels) the functions are compiled, which takes seconds
    once on a machine, and compared with the plain formulas on a tiny input; if that fails, a
    warning says so and the answer for this kind stays no.

    Args:
        q: queries (b, h, d, y, x).
        v: values (b, h, e, y, x).

    Returns:
        Whether `gsa.native.takes` them, and the examination was passed.
    """
    return native.takes(q, v, channels=q.shape[2]) and _works(fast.step_dtype(q), q.shape[2])


def column_attention(q: Tensor, r_c: Tensor, v: Tensor) -> Tensor:
    """Column step: out[b, h, :, y, x] = Σ_i (q[b, h, :, y, x] · r_c[i - y]) v[b, h, :, i, x].

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        r_c: (2y - 1, d).
        v: (b, h, d, y, x).

    Returns:
        (b, h, d, y, x), in channels-last memory; in the type of autocast where that is on, else
        in that of q.
    """
    return _step(q, r_c, v, columns=True)


def row_attention(q: Tensor, r_r: Tensor, u: Tensor) -> Tensor:
    """Row step: out[b, h, :, y, x] = Σ_j (q[b, h, :, y, x] · r_r[j - x]) u[b, h, :, y, j].

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        r_r: (2x - 1, d).
        u: (b, h, d, y, x).

    Returns:
        As `column_attention`.
    """
    return _step(q, r_r, u, columns=False)


def _step(q: Tensor, table: Tensor, v: Tensor, *, columns: bool) -> Tensor:
    kernel_checks.check_table(table, q.shape[-2 if columns else -1], q.shape[2], q.device)
    dtype = fast.step_dtype(q)
    q, v = (fast.pixels(each.to(dtype)) for each in (q, v))
    out = _AxialAttention.apply(q, table, v, columns)
    return out.permute(0, 3, 4, 1, 2)


class _AxialAttention(torch.autograd.Function):
    """q (b, y, x, h, d), table (2n - 1, d) and v (b, y, x, h, d) to (b, y, x, h, d)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, table: Tensor, v: Tensor, columns: bool) -> Tensor:
        ctx.save_for_backward(q, table, v)
        ctx.columns = columns
        out = v.new_empty(v.shape)
        _run(columns, q=q, table=table, v=v, out=out)
        return out

    @staticmethod
    @fast.first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, table, v = ctx.saved_tensors
        of_q, of_table, of_v, _ = ctx.needs_input_grad
        wanted = {
            "to_q": q.new_empty(q.shape) if of_q else None,
            "to_table": table.new_empty(table.shape, dtype=torch.float32) if of_table else None,
            "to_v": v.new_empty(v.shape) if of_v else None,
        }
        _run(ctx.columns, q=q, table=table, v=v, grad=grad.contiguous(), **wanted)
        to_table = wanted["to_table"]
        if to_table is not None:
            to_table = to_table.to(table.dtype)
        return wanted["to_q"], to_table, wanted["to_v"], None


def _run(columns: bool, *, q: Tensor, table: Tensor, v: Tensor, **data: Tensor | None) -> None:
    """Fill in `out`, or, with `grad`, what is given of `to_q`, `to_table` and `to_v`."""
    b, y, x, h, d = q.shape
    n, lines, along, across = (y, x, x, 1) if columns else (x, y, 1, x)
    numbers = {"images": b, "lines": lines, "n": n, "heads": h, "d": d}
    numbers |= {"along": along, "across": across}
    _STEP(q.dtype, numbers, {"q": q, "table": table.float().contiguous(), "v": v, **data})


@cache
def _works(dtype: torch.dtype, d: int) -> bool:
    """Whether steps with d channels in a head, and their gradients, are those of the formulas."""
    device = torch.device("cpu")
    return kernel_checks.trusted(
        "C++", "positional steps", device, dtype, lambda: _error(device, dtype, d)
    )


def _error(device: torch.device, dtype: torch.dtype, d: int) -> float:
    """Along 21 cells, which fill no whole number of registers, in an odd number of lines."""
    return kernel_checks.step_error(
        column_attention, row_attention, device, dtype, heads=3, channels=(d, d), n=21
    )
