"""The positional steps on CUDA, each as one Triton kernel that never writes its scores to memory.

The steps are (3) and (5) of `gsa.formulas`. A step reads b·h·d·y·x queries and as many values, and
its b·h·n·y·x scores are n / d times as many: written down, as the plain formulas do, they are most
of the traffic wherever a head has fewer channels than the grid has cells. A network halves n and
doubles d from stage to stage (56 cells and 8 channels to 7 and 64), so both ends count. Ways to
keep the scores on the chip:

- Line by line, each score is a dot product with an embedding chosen by its offset: d loads for
  each score, and no matrix product.
- A product with all embeddings that a tile can need, skewed afterwards, makes twice the scores
  needed and moves every one of them to another place of its row.
- Spread out into d Toeplitz matrices, the embeddings leave nothing but plain matrix products, of
  n²·d·e instead of n²·(d + e) multiply-adds for a line: 4 times as many at 8 channels, 32 at 64.
- All lines share the embeddings. For **one query cell** the scores of many lines are one matrix
  product, queries (lines, d) times embeddings (d, keys), in which the offset is merely where the
  embeddings are loaded from, once for 16 lines. For **one line** the result is another, scores
  (queries, keys) times values (keys, e). A block of scores changes its batch axis in between, in
  shared memory.

The last is what the kernels do: two batched matrix products for each block, whatever n and d, on
tensor cores for half precision and TF32. Sums are in single precision, and scores are rounded to
the type of the tensors, as the plain formulas round them. The backward pass makes the scores again.
Its three sums are three kernels, as each runs over another axis, and each is left out where nothing
needs it; the embeddings' gradient is summed from shares in a fixed order, without atomics, so a run
repeats to the bit on one kind of GPU.

The results equal `column_step(column_scores(...))` and its row pair in `gsa.formulas` up to
rounding. First derivatives only. The memory that q and v lie in is read in place where the channels
of a pixel are side by side (channels last, or channels cut out of it) and copied otherwise.
"""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from gsa import fast, kernel_checks, triton_gate

_LINES = 16  # the fewest that a matrix product on tensor cores takes, as are the cells of a step
_STEP = 16
# along an axis: the embeddings' gradient is summed from n (2n - 1) d numbers, in (n / 16)² blocks
_MOST_CELLS = 1024
_WARPS = 16  # of one multiprocessor that the kernels' registers leave room for


def available(q: Tensor, v: Tensor, axis: int) -> bool:
    """Whether these functions can take the step along an axis, and should.

    They can where `gsa.triton_gate.takes` says yes. Before the first step of a kind (device, type,
    precision of products, heads, channels, short or long axis) they are compiled, which takes
    seconds, and compared with the plain formulas on a tiny input; if that fails, a warning says so
    and the answer for this kind stays no.

    Args:
        q: queries (b, h, d, y, x).
        v: values (b, h, e, y, x).
        axis: -2 for `column_attention`, -1 for `row_attention`.
    """
    if not triton_gate.takes(q, v) or q.shape[axis] > _MOST_CELLS:
        return False
    (_, h, d, _, _), e = q.shape, v.shape[2]
    n = 5 if q.shape[axis] <= _STEP else _STEP + 4
    return _works(q.device, fast.step_dtype(q), triton_gate.precision(), h, d, e, n)


def column_attention(q: Tensor, r_c: Tensor, v: Tensor) -> Tensor:
    """Column step: out[b, h, :, y, x] = Σ_i (q[b, h, :, y, x] · r_c[i - y]) v[b, h, :, i, x].

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        r_c: (2y - 1, d).
        v: (b, h, e, y, x).

    Returns:
        (b, h, e, y, x), in channels-last memory; in the type of autocast where that is on, else
        in that of q.
    """
    return _attention(q, r_c, v, axis=-2)


def row_attention(q: Tensor, r_r: Tensor, u: Tensor) -> Tensor:
    """Row step: out[b, h, :, y, x] = Σ_j (q[b, h, :, y, x] · r_r[j - x]) u[b, h, :, y, j].

    Args:
        q: (b, h, d, y, x), for which `available` says yes.
        r_r: (2x - 1, d).
        u: (b, h, e, y, x).

    Returns:
        As `column_attention`.
    """
    return _attention(q, r_r, u, axis=-1)


def _attention(q: Tensor, table: Tensor, v: Tensor, *, axis: int) -> Tensor:
    kernel_checks.check_table(table, q.shape[axis], q.shape[2], q.device)
    dtype = fast.step_dtype(q)
    return _AxialAttention.apply(q.to(dtype), table, v.to(dtype), axis)


class _AxialAttention(torch.autograd.Function):
    """q (b, h, d, y, x), table (2n - 1, d), v (b, h, e, y, x) to (b, h, e, y, x)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, table: Tensor, v: Tensor, axis: int) -> Tensor:
        ctx.axis, ctx.table_dtype = axis, table.dtype
        q, v, table = _pixelwise(q), _pixelwise(v), table.to(q.dtype).contiguous()
        ctx.save_for_backward(q, table, v)
        return _attend(q, table, v, axis, transposed=False)

    @staticmethod
    @fast.first_derivatives
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, table, v = ctx.saved_tensors
        grad = _pixelwise(grad)
        of_q, of_table, of_v, _ = ctx.needs_input_grad
        return (
            _query_gradient(q, table, v, grad, ctx.axis) if of_q else None,
            _table_gradient(q, v, grad, ctx.axis).to(ctx.table_dtype) if of_table else None,
            _attend(q, table, grad, ctx.axis, transposed=True) if of_v else None,
            None,
        )


def _attend(q: Tensor, table: Tensor, x: Tensor, axis: int, *, transposed: bool) -> Tensor:
    """The step, or, transposed, the gradient of its values for x, that of its result."""
    out = _empty(q, channels=x.shape[2])
    strides = [_strides(each, axis) for each in (q, x, out)]
    options = _options(q, x, axis, strides)
    with torch.cuda.device_of(q):
        _kernels().attend[_grid(q, axis, options)](
            q, table, x, out, *strides, *_sizes(q, axis), TRANSPOSED=transposed, **options
        )
    return out


def _query_gradient(q: Tensor, table: Tensor, v: Tensor, grad: Tensor, axis: int) -> Tensor:
    out = _empty(q, channels=q.shape[2])
    strides = [_strides(each, axis) for each in (v, grad, out)]
    options = _options(q, v, axis, strides)
    with torch.cuda.device_of(q):
        _kernels().query_gradient[_grid(q, axis, options)](
            table, v, grad, out, *strides, *_sizes(q, axis), **options
        )
    return out


def _table_gradient(q: Tensor, v: Tensor, grad: Tensor, axis: int) -> Tensor:
    """(2n - 1, d), in single precision."""
    n, across = _sizes(q, axis)
    strides = [_strides(each, axis) for each in (q, v, grad)]
    options = _options(q, v, axis, strides)
    tiles = math.ceil(n / options["TILE"]) * math.ceil(n / _STEP)
    blocks = len(q) * math.ceil(across * q.shape[1] / _LINES)
    resident = triton_gate.multiprocessors(q.device) * _WARPS // options["num_warps"]
    shares = max(1, min(blocks, resident // tiles))
    out = q.new_zeros((shares, n, 2 * n - 1, q.shape[2]), dtype=torch.float32)
    with torch.cuda.device_of(q):
        _kernels().table_gradient[(shares, tiles)](
            q, v, grad, out, *strides, len(q), n, across, **options
        )
    return out.sum((0, 1))


def _kernels() -> ModuleType:
    """Imported late: it takes time, and not every torch comes with Triton."""
    from gsa import triton_kernels

    return triton_kernels


def _pixelwise(x: Tensor) -> Tensor:
    """With the channels of a pixel side by side, and an image within reach of 32 bits."""
    reach = sum(
        (size - 1) * stride for size, stride in zip(x.shape[1:], x.stride()[1:], strict=True)
    )
    if x.stride(2) == 1 and reach < 2**31:
        return x
    return x.permute(0, 3, 4, 1, 2).contiguous().permute(0, 3, 4, 1, 2)


def _empty(q: Tensor, channels: int) -> Tensor:
    """(b, h, channels, y, x) in channels-last memory."""
    b, h, _, y, x = q.shape
    return q.new_empty((b, y, x, h, channels)).permute(0, 3, 4, 1, 2)


def _strides(x: Tensor, axis: int) -> tuple[int, ...]:
    """Of images, heads, cells along the axis and lines across it."""
    along, across = (3, 4) if axis == -2 else (4, 3)
    return tuple(x.stride(dimension) for dimension in (0, 1, along, across))


def _sizes(q: Tensor, axis: int) -> tuple[int, int]:
    """Cells along the axis, and across it."""
    y, x = q.shape[-2:]
    return (y, x) if axis == -2 else (x, y)


def _grid(q: Tensor, axis: int, options: dict[str, Any]) -> tuple[int]:
    n, across = _sizes(q, axis)
    lines = math.ceil(across * q.shape[1] / _LINES)
    return (math.ceil(n / options["TILE"]) * lines * len(q),)


def _options(q: Tensor, v: Tensor, axis: int, strides: list[tuple[int, ...]]) -> dict[str, Any]:
    """What a kernel is compiled for.

    The blocks are the largest with which the compiler, for compute capabilities 8.0 to 12.0, keeps
    all sums in registers in half precision and in single precision up to 32 channels.
    """
    (_, h, d, _, _), e = q.shape, v.shape[2]
    wide_d, wide_e = (max(16, 1 << (channels - 1).bit_length()) for channels in (d, e))
    widest, half = max(wide_d, wide_e), q.dtype != torch.float32
    long = half and widest == 16 and q.shape[axis] > _STEP
    return {
        "HEADS": h,
        "D": d,
        "E": e,
        "WIDE_D": wide_d,
        "WIDE_E": wide_e,
        "TILE": 32 if long else 16,
        "STEP": _STEP,
        "LINES": _LINES,
        "ALIGN": math.gcd(16, *(stride for each in strides for stride in each)),
        "PRECISION": triton_gate.precision(),
        "num_warps": 8 if long or widest > 16 else 4,
        "num_stages": 2 if half and widest < 64 else 1,  # as shared memory allows
        "enable_fp_fusion": True,  # as torch's own products; Triton's default is changing
    }


@cache
def _works(
    device: torch.device, dtype: torch.dtype, precision: str, h: int, d: int, e: int, n: int
) -> bool:
    """Whether steps along n cells, and their gradients, are those of the plain formulas.

    At the precision set now, which is an argument because it chooses the kernels.
    """
    return kernel_checks.trusted(
        "Triton", "positional steps", device, dtype, lambda: _error(device, dtype, h, d, e, n)
    )


def _error(device: torch.device, dtype: torch.dtype, h: int, d: int, e: int, n: int) -> float:
    return kernel_checks.step_error(
        column_attention, row_attention, device, dtype, heads=h, channels=(d, e), n=n
    )
