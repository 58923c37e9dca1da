"""Triton kernels of one axial step and its gradients; `gsa.triton_steps` launches them.

A step is (3) or (5) of `gsa.formulas`. A *line* is one row or column of one head of an image, a
*cell* a place on it. Lines are counted within an image with the heads fastest, so that neighbouring
lines are neighbours in channels-last memory. In the shapes below `l` is a line, `a` a cell that
reads, `i` a cell that is read, `d` a key channel and `e` a value channel.

Every tensor comes with four strides: of images, heads, cells along a line and lines across; the
channels of a pixel are side by side. `WIDE_D` and `WIDE_E` are the channels filled up with zeros to
what a matrix product takes, `ALIGN` divides all strides, `TILE`, `STEP` and `LINES` are the cells
and lines of a block. This module imports Triton, so nothing but `gsa.triton_steps` imports it.
"""

# ruff: noqa: N803 (Triton writes what a kernel is compiled for in capitals)

import triton
import triton.language as tl

_SIZES = ["images", "n", "across"]  # one compiled kernel for all of them


@triton.jit
def _places(
    strides: tl.tuple,
    cells: tl.tensor,
    lines: tl.tensor,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> tl.tuple:
    """Offsets (cells, lines, channels) within an image, and which of them are inside it."""
    starts = lines % HEADS * strides[1] + lines // HEADS * strides[3]
    pixels = cells[:, None, None] * strides[2] + starts[None, :, None]
    channels = tl.arange(0, WIDE)[None, None, :]
    inside = (cells < n)[:, None, None] & (lines < across * HEADS)[None, :, None]
    # the compiler cannot see that strides are multiples of the channels, and would load one by one
    return tl.multiple_of(pixels, (ALIGN, ALIGN, ALIGN)) + channels, inside & (channels < CHANNELS)


@triton.jit
def _of_image(
    tensor: tl.tensor, strides: tl.tuple, image: tl.tensor, ALIGN: tl.constexpr
) -> tl.tensor:
    """Where an image begins; in 64 bits, which a batch may need and one image does not."""
    return tensor + tl.multiple_of(image.to(tl.int64) * strides[0], ALIGN)


@triton.jit
def _load(
    tensor: tl.tensor,
    strides: tl.tuple,
    image: tl.tensor,
    cells: tl.tensor,
    lines: tl.tensor,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> tl.tensor:
    """A block (cells, lines, channels) of an image, zero outside."""
    offsets, inside = _places(strides, cells, lines, n, across, HEADS, CHANNELS, WIDE, ALIGN)
    return tl.load(_of_image(tensor, strides, image, ALIGN) + offsets, mask=inside, other=0.0)


@triton.jit
def _store(
    tensor: tl.tensor,
    block: tl.tensor,
    strides: tl.tuple,
    image: tl.tensor,
    cells: tl.tensor,
    lines: tl.tensor,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> None:
    """Write a block (cells, lines, channels) of an image, as far as it is inside."""
    offsets, inside = _places(strides, cells, lines, n, across, HEADS, CHANNELS, WIDE, ALIGN)
    target = _of_image(tensor, strides, image, ALIGN) + offsets
    tl.store(target, block.to(tensor.dtype.element_ty), mask=inside)


@triton.jit
def _pairs(
    queries: tl.tensor, keys: tl.tensor, n: int, D: tl.constexpr, WIDE_D: tl.constexpr
) -> tl.tuple:
    """Row of the table for each pair of cells, i - a + n - 1, as (a, i, 1); which (a, i, d) are."""
    rows = keys[None, :] - queries[:, None] + n - 1
    inside = (queries < n)[:, None] & (keys < n)[None, :]
    return rows[:, :, None], inside[:, :, None] & (tl.arange(0, WIDE_D)[None, None, :] < D)


@triton.jit
def _load_pairs(
    table: tl.tensor,
    queries: tl.tensor,
    keys: tl.tensor,
    n: int,
    D: tl.constexpr,
    WIDE_D: tl.constexpr,
) -> tl.tensor:
    """The embedding of each pair of cells, table[i - a + n - 1], as (a, i, d), zero outside."""
    rows, inside = _pairs(queries, keys, n, D, WIDE_D)
    embeddings = table + rows * D + tl.arange(0, WIDE_D)[None, None, :]
    # through the L1 cache, which holds the table: its rows are loaded many times over
    return tl.load(embeddings, mask=inside, other=0.0, cache_modifier=".ca")


@triton.jit
def _load_slopes(
    v: tl.tensor,
    v_strides: tl.tuple,
    grads: tl.tensor,
    image: tl.tensor,
    keys: tl.tensor,
    lines: tl.tensor,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    E: tl.constexpr,
    WIDE_E: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> tl.tensor:
    """Gradients of the scores, grads (a, l, e) times the values of the keys: (l, a, i)."""
    values = _load(v, v_strides, image, keys, lines, n, across, HEADS, E, WIDE_E, ALIGN)
    values = tl.permute(values, 1, 2, 0)
    slopes = tl.dot(tl.permute(grads, 1, 0, 2), values, input_precision=PRECISION)
    return slopes.to(v.dtype.element_ty)


@triton.jit
def _block(
    n: int, across: int, HEADS: tl.constexpr, TILE: tl.constexpr, LINES: tl.constexpr
) -> tl.tuple:
    """Image, cells and lines of this program; programs of the same lines are neighbours."""
    tiles = tl.cdiv(n, TILE)
    blocks = tl.cdiv(across * HEADS, LINES)
    at = tl.program_id(0)
    cells = at % tiles * TILE + tl.arange(0, TILE)
    lines = at // tiles % blocks * LINES + tl.arange(0, LINES)
    return at // (tiles * blocks), cells, lines


@triton.jit(do_not_specialize=_SIZES)
def attend(
    q: tl.tensor,
    table: tl.tensor,
    x: tl.tensor,
    out: tl.tensor,
    q_strides: tl.tuple,
    x_strides: tl.tuple,
    out_strides: tl.tuple,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
    LINES: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
    TRANSPOSED: tl.constexpr,
) -> None:
    """Σ_i s[a, i] x[i] for a tile of a; where `TRANSPOSED`, Σ_a s[a, i] x[a] for a tile of i."""
    image, own, lines = _block(n, across, HEADS, TILE, LINES)
    total = tl.zeros((LINES, TILE, WIDE_E), tl.float32)
    if not TRANSPOSED:
        queries = _load(q, q_strides, image, own, lines, n, across, HEADS, D, WIDE_D, ALIGN)
    for begin in range(0, n, STEP):
        far = begin + tl.arange(0, STEP)
        if TRANSPOSED:
            queries = _load(q, q_strides, image, far, lines, n, across, HEADS, D, WIDE_D, ALIGN)
            pairs = _load_pairs(table, far, own, n, D, WIDE_D)
        else:
            pairs = _load_pairs(table, own, far, n, D, WIDE_D)
        scores = tl.dot(queries, tl.permute(pairs, 0, 2, 1), input_precision=PRECISION)  # (a, l, i)
        scores = scores.to(x.dtype.element_ty)
        scores = tl.permute(scores, 1, 2, 0) if TRANSPOSED else tl.permute(scores, 1, 0, 2)
        values = _load(x, x_strides, image, far, lines, n, across, HEADS, E, WIDE_E, ALIGN)
        values = tl.permute(values, 1, 0, 2)
        total = tl.dot(scores, values, total, input_precision=PRECISION)  # (l, own, e)
    total = tl.permute(total, 1, 0, 2)
    _store(out, total, out_strides, image, own, lines, n, across, HEADS, E, WIDE_E, ALIGN)


@triton.jit(do_not_specialize=_SIZES)
def query_gradient(
    table: tl.tensor,
    v: tl.tensor,
    grad: tl.tensor,
    out: tl.tensor,
    v_strides: tl.tuple,
    grad_strides: tl.tuple,
    out_strides: tl.tuple,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
    LINES: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Σ_i (grad[a] · v[i]) table[i - a + n - 1] for a tile of a."""
    image, own, lines = _block(n, across, HEADS, TILE, LINES)
    total = tl.zeros((TILE, LINES, WIDE_D), tl.float32)
    grads = _load(grad, grad_strides, image, own, lines, n, across, HEADS, E, WIDE_E, ALIGN)
    for begin in range(0, n, STEP):
        keys = begin + tl.arange(0, STEP)
        slopes = _load_slopes(
            v, v_strides, grads, image, keys, lines, n, across, HEADS, E, WIDE_E, ALIGN, PRECISION
        )
        pairs = _load_pairs(table, own, keys, n, D, WIDE_D)
        slopes = tl.permute(slopes, 1, 0, 2)
        total = tl.dot(slopes, pairs, total, input_precision=PRECISION)  # (a, l, d)
    _store(out, total, out_strides, image, own, lines, n, across, HEADS, D, WIDE_D, ALIGN)


@triton.jit(do_not_specialize=_SIZES)
def table_gradient(
    q: tl.tensor,
    v: tl.tensor,
    grad: tl.tensor,
    out: tl.tensor,
    q_strides: tl.tuple,
    v_strides: tl.tuple,
    grad_strides: tl.tuple,
    images: int,
    n: int,
    across: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
    LINES: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Σ_l (grad[a] · v[i]) q[a] for a tile of a and i and this program's share of the lines.

    `out` is (shares, n, 2n - 1, d) and starts as zeros: each pair is written, once, to the row of
    the table that it reads.
    """
    share = tl.program_id(0)
    steps = tl.cdiv(n, STEP)
    own = tl.program_id(1) // steps * TILE + tl.arange(0, TILE)
    keys = tl.program_id(1) % steps * STEP + tl.arange(0, STEP)
    total = tl.zeros((TILE, STEP, WIDE_D), tl.float32)
    blocks = tl.cdiv(across * HEADS, LINES)
    for block in range(share, images * blocks, tl.num_programs(0)):
        image = block // blocks
        lines = block % blocks * LINES + tl.arange(0, LINES)
        grads = _load(grad, grad_strides, image, own, lines, n, across, HEADS, E, WIDE_E, ALIGN)
        slopes = _load_slopes(
            v, v_strides, grads, image, keys, lines, n, across, HEADS, E, WIDE_E, ALIGN, PRECISION
        )
        slopes = tl.permute(slopes, 1, 2, 0)
        queries = _load(q, q_strides, image, own, lines, n, across, HEADS, D, WIDE_D, ALIGN)
        total = tl.dot(slopes, queries, total, input_precision=PRECISION)  # (a, i, d)
    rows, inside = _pairs(own, keys, n, D, WIDE_D)
    tables = (share * n + own).to(tl.int64)[:, None, None] * (2 * n - 1)
    targets = out + (tables + rows) * D + tl.arange(0, WIDE_D)[None, None, :]
    tl.store(targets, total, mask=inside)
