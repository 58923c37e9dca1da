"""Triton kernels of the content branch and its gradients; `gsa.triton_content` launches them.

The branch is (2) of `gsa.formulas`. Tensors are (images, n pixels, channels), the channels of a
pixel side by side, each with its strides of images and pixels. A *group* is as many neighbouring
heads as fill a matrix product; the product of its keys and values holds those of each head on its
diagonal, and what one head has of another is left out (`_same_head`). A program works on a group of
one image, the first axis of the grid, and on a tile or a share of its pixels, the second. In the
shapes below `p` is a pixel of a tile, `d` a key channel and `e` a value channel of the group.

`D` and `E` are the channels of a head, `GROUP` the heads of a group, `WIDE_D` and `WIDE_E` its
channels filled up with zeros to what a matrix product takes, `TILE` the pixels of a tile, and
`ALIGN` divides all strides and the channels of a group. This module imports Triton, so nothing but
`gsa.triton_content` imports it.
"""

# ruff: noqa: N803 (Triton writes what a kernel is compiled for in capitals)

import triton
import triton.language as tl

_SIZES = ["n", "shares"]  # one compiled kernel for all of them


@triton.jit
def _places(
    strides: tl.tuple,
    pixels: tl.tensor,
    n: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> tl.tuple:
    """Offsets (pixels, channels) of this program's image and group, and which are inside."""
    groups = tl.cdiv(HEADS, GROUP)
    group, image = tl.program_id(0) % groups, tl.program_id(0) // groups
    image = image.to(tl.int64)  # a batch may need 64 bits
    first = image * strides[0] + group * (GROUP * CHANNELS)
    starts = pixels[:, None] * strides[1] + first
    channels = tl.arange(0, WIDE)[None, :]
    heads = group * GROUP + channels // CHANNELS
    inside = (pixels < n)[:, None] & (channels < GROUP * CHANNELS) & (heads < HEADS)
    # the compiler cannot see that strides are multiples of this, and would load one by one
    return tl.multiple_of(starts, (ALIGN, ALIGN)) + channels, inside


@triton.jit
def _load(
    tensor: tl.tensor,
    strides: tl.tuple,
    pixels: tl.tensor,
    n: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> tl.tensor:
    """A tile (pixels, channels), zero outside."""
    offsets, inside = _places(strides, pixels, n, HEADS, CHANNELS, GROUP, WIDE, ALIGN)
    return tl.load(tensor + offsets, mask=inside, other=0.0)


@triton.jit
def _load_keys(
    k: tl.tensor,
    strides: tl.tuple,
    pixels: tl.tensor,
    n: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE_D: tl.constexpr,
    ALIGN: tl.constexpr,
) -> tl.tensor:
    """A tile (pixels, d) in single precision, -inf for pixels outside: they weigh nothing."""
    keys = _load(k, strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN).to(tl.float32)
    return tl.where((pixels < n)[:, None], keys, float("-inf"))


@triton.jit
def _store(
    tensor: tl.tensor,
    tile: tl.tensor,
    strides: tl.tuple,
    pixels: tl.tensor,
    n: int,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE: tl.constexpr,
    ALIGN: tl.constexpr,
) -> None:
    """Write a tile (pixels, channels), as far as it is inside."""
    offsets, inside = _places(strides, pixels, n, HEADS, CHANNELS, GROUP, WIDE, ALIGN)
    tl.store(tensor + offsets, tile.to(tensor.dtype.element_ty), mask=inside)


@triton.jit
def _matrix(at: int, WIDE_D: tl.constexpr, WIDE_E: tl.constexpr) -> tl.tensor:
    """Offsets (d, e) of matrix number `at` of those that lie one after the other."""
    rows = at * WIDE_D + tl.arange(0, WIDE_D)
    return rows[:, None] * WIDE_E + tl.arange(0, WIDE_E)[None, :]


@triton.jit
def _same_head(
    D: tl.constexpr, E: tl.constexpr, WIDE_D: tl.constexpr, WIDE_E: tl.constexpr
) -> tl.tensor:
    """(d, e): whether a key channel and a value channel belong to one head."""
    return (tl.arange(0, WIDE_D) // D)[:, None] == (tl.arange(0, WIDE_E) // E)[None, :]


@triton.jit(do_not_specialize=_SIZES)
def gather(
    k: tl.tensor,
    v: tl.tensor,
    largest: tl.tensor,
    sums: tl.tensor,
    products: tl.tensor,
    k_strides: tl.tuple,
    v_strides: tl.tuple,
    n: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Over this program's share of the pixels: m = max k, Σ exp(k - m) and Σ exp(k - m) v.

    The maximum is that of the tiles seen so far, and what was summed is scaled when it grows
    (Milakov and Gimelshein 2018, online softmax). Results are (image, group, share, d[, e]).
    """
    share, shares = tl.program_id(1), tl.num_programs(1)
    top = tl.full((WIDE_D,), float("-inf"), tl.float32)
    total = tl.zeros((WIDE_D,), tl.float32)
    product = tl.zeros((WIDE_D, WIDE_E), tl.float32)
    for begin in range(share * TILE, n, shares * TILE):
        pixels = begin + tl.arange(0, TILE)
        keys = _load_keys(k, k_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
        values = _load(v, v_strides, pixels, n, HEADS, E, GROUP, WIDE_E, ALIGN)
        higher = tl.maximum(top, tl.max(keys, 0))
        weights = tl.exp(keys - higher[None, :])
        shrink = tl.exp(top - higher)
        total = total * shrink + tl.sum(weights, 0)
        weights = tl.trans(weights.to(v.dtype.element_ty))
        product = product * shrink[:, None]
        product = tl.dot(weights, values, product, input_precision=PRECISION)
        top = higher
    at = tl.program_id(0) * shares + share
    channels = at * WIDE_D + tl.arange(0, WIDE_D)
    tl.store(largest + channels, top)
    tl.store(sums + channels, total)
    tl.store(products + _matrix(at, WIDE_D, WIDE_E), product)


@triton.jit(do_not_specialize=_SIZES)
def combine(
    largest: tl.tensor,
    sums: tl.tensor,
    products: tl.tensor,
    context: tl.tensor,
    tops: tl.tensor,
    totals: tl.tensor,
    shares: int,
    D: tl.constexpr,
    E: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
) -> None:
    """The shares of `gather` as one: context ρ(K)ᵀV (d, e), m = max k and Σ exp(k - m) (d)."""
    top = tl.full((WIDE_D,), float("-inf"), tl.float32)
    total = tl.zeros((WIDE_D,), tl.float32)
    product = tl.zeros((WIDE_D, WIDE_E), tl.float32)
    for share in range(shares):
        at = tl.program_id(0) * shares + share
        channels = at * WIDE_D + tl.arange(0, WIDE_D)
        own = tl.load(largest + channels)
        higher = tl.maximum(top, own)
        shrink, grow = tl.exp(top - higher), tl.exp(own - higher)
        total = total * shrink + tl.load(sums + channels) * grow
        more = tl.load(products + _matrix(at, WIDE_D, WIDE_E))
        product = product * shrink[:, None] + more * grow[:, None]
        top = higher
    found = tl.where(_same_head(D, E, WIDE_D, WIDE_E), product / total[:, None], 0.0)
    tl.store(context + _matrix(tl.program_id(0), WIDE_D, WIDE_E), found)
    channels = tl.program_id(0) * WIDE_D + tl.arange(0, WIDE_D)
    tl.store(tops + channels, top)
    tl.store(totals + channels, total)


@triton.jit(do_not_specialize=_SIZES)
def spread(
    q: tl.tensor,
    context: tl.tensor,
    out: tl.tensor,
    q_strides: tl.tuple,
    out_strides: tl.tuple,
    n: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Σ_d q[p, d] context[d, e] for a tile of pixels."""
    pixels = tl.program_id(1) * TILE + tl.arange(0, TILE)
    queries = _load(q, q_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
    held = tl.load(context + _matrix(tl.program_id(0), WIDE_D, WIDE_E)).to(q.dtype.element_ty)
    found = tl.dot(queries, held, input_precision=PRECISION)
    _store(out, found, out_strides, pixels, n, HEADS, E, GROUP, WIDE_E, ALIGN)


@triton.jit(do_not_specialize=_SIZES)
def query_gradient(
    q: tl.tensor,
    grad: tl.tensor,
    context: tl.tensor,
    out: tl.tensor,
    products: tl.tensor,
    q_strides: tl.tuple,
    grad_strides: tl.tuple,
    out_strides: tl.tuple,
    n: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Σ_e grad[p, e] context[d, e] for a share of the pixels, and the context's gradient.

    The latter is Σ_p q[p, d] grad[p, e] over the share; `products` is (image, group, share, d, e).
    """
    share, shares = tl.program_id(1), tl.num_programs(1)
    held = tl.load(context + _matrix(tl.program_id(0), WIDE_D, WIDE_E)).to(q.dtype.element_ty)
    product = tl.zeros((WIDE_D, WIDE_E), tl.float32)
    for begin in range(share * TILE, n, shares * TILE):
        pixels = begin + tl.arange(0, TILE)
        queries = _load(q, q_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
        grads = _load(grad, grad_strides, pixels, n, HEADS, E, GROUP, WIDE_E, ALIGN)
        found = tl.dot(grads, tl.trans(held), input_precision=PRECISION)
        _store(out, found, out_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
        product = tl.dot(tl.trans(queries), grads, product, input_precision=PRECISION)
    tl.store(products + _matrix(tl.program_id(0) * shares + share, WIDE_D, WIDE_E), product)


@triton.jit(do_not_specialize=_SIZES)
def key_value_gradients(
    k: tl.tensor,
    v: tl.tensor,
    context: tl.tensor,
    context_grad: tl.tensor,
    tops: tl.tensor,
    totals: tl.tensor,
    out_k: tl.tensor,
    out_v: tl.tensor,
    k_strides: tl.tuple,
    v_strides: tl.tuple,
    out_k_strides: tl.tuple,
    out_v_strides: tl.tuple,
    n: int,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    E: tl.constexpr,
    GROUP: tl.constexpr,
    WIDE_D: tl.constexpr,
    WIDE_E: tl.constexpr,
    TILE: tl.constexpr,
    ALIGN: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """With c the context and c' its gradient, for a tile of pixels: ρ c', and ρ (v c'ᵀ - Σ_e c c').

    The sum is what the softmax subtracts, the mean of v c'ᵀ over all pixels with the weights ρ.
    """
    pixels = tl.program_id(1) * TILE + tl.arange(0, TILE)
    keys = _load_keys(k, k_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
    values = _load(v, v_strides, pixels, n, HEADS, E, GROUP, WIDE_E, ALIGN)
    channels = tl.program_id(0) * WIDE_D + tl.arange(0, WIDE_D)
    # not as one logarithm of a sum, which has few digits left where keys are large
    rho = tl.exp(keys - tl.load(tops + channels)[None, :]) / tl.load(totals + channels)[None, :]
    matrix = _matrix(tl.program_id(0), WIDE_D, WIDE_E)
    slope = tl.load(context_grad + matrix)
    slope = tl.where(_same_head(D, E, WIDE_D, WIDE_E), slope, 0.0).to(v.dtype.element_ty)
    # of the rounded slope, as the products that it is taken off
    mean = tl.sum(tl.load(context + matrix) * slope, 1)
    found = tl.dot(rho.to(v.dtype.element_ty), slope, input_precision=PRECISION)
    _store(out_v, found, out_v_strides, pixels, n, HEADS, E, GROUP, WIDE_E, ALIGN)
    found = tl.dot(values, tl.trans(slope), input_precision=PRECISION)
    found = rho * (found - mean[None, :])
    _store(out_k, found, out_k_strides, pixels, n, HEADS, D, GROUP, WIDE_D, ALIGN)
