r"""The formulas of global self-attention (Shen et al. 2020), as pure functions of tensors.

The layer, its maps, their proofs and the faster ways are all made of these or held against them.
Other modules cite them by these numbers. For one head and a query p = (a, b):

- (1) content weight  $w(j) = \sum_d q_d(p)\,\rho(k_d)(j)$, $\rho$ the softmax over all pixels;
- (2) content branch  $y(p) = \sum_j w(j)\,v(j)$, computed as $Q\,(\rho(K)^\top V)$;
- (3) column step  $u(a,b) = \sum_i (q(a,b)\cdot r^c_{i-a})\,v(i,b)$;
- (4) norm between the steps  $u'_c = g_c u_c + o_c$, with a gain and an offset per value channel;
- (5) row step  $z(a,b) = \sum_j (q(a,b)\cdot r^r_{j-b})\,u'(a,j)$;
- (6) positional weight  $w(i,j) = (q(a,b)\cdot r^r_{j-b})\,(q(a,j)\cdot r^c_{i-a})$, with which
  $z_c = g_c \sum_{i,j} w(i,j)\,v_c(i,j) + o_c \sum_j q(a,b)\cdot r^r_{j-b}$.

(2) is the paper's $F_c$, (3) and (5) are equations 5 to 8 of its appendix B, written for each axis;
(6) puts (3), (4) and (5) together. The module's output is the sum of both branches.

Axes are named throughout: `b` image, `h` head, `d` key channel of a head, `e` value channel of a
head, `y` row, `x` column of the grid; `i` a row and `j` a column that is read from.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def normalise_keys(k: Tensor) -> Tensor:
    """ρ(k) of (1): softmax of every key channel over all pixels.

    Args:
        k: keys, shape (b, h, d, y, x).

    Returns:
        Same shape; for each (b, h, d) the values are positive and sum to 1.
    """
    b, h, d, y, x = k.shape
    # all channels of a pixel side by side: the softmax runs over them in parallel, without a copy
    pixels = k.permute(0, 3, 4, 1, 2).reshape(b, y * x, h * d)
    return pixels.softmax(dim=1).view(b, y, x, h, d).permute(0, 3, 4, 1, 2)


def normalise_queries(q: Tensor, gain: Tensor, bias: Tensor, heads: int, eps: float) -> Tensor:
    """Queries over the root mean square of their head's channels, times a gain, plus a bias.

    A variant of this project (`projection_norm` "rms"); RMSNorm is of Zhang and Sennrich 2019.

    Args:
        q: (b, width, y, x).
        gain, bias: (width,), for each channel of each head.
        heads: number of heads.
        eps: added to the mean square.

    Returns:
        (b, width, y, x).
    """
    split = q.unflatten(1, (heads, -1)).permute(0, 3, 4, 1, 2)  # (b, y, x, h, d)
    unit = F.rms_norm(split, split.shape[-1:], eps=eps).flatten(-2)
    return torch.addcmul(bias.to(unit.dtype), unit, gain.to(unit.dtype)).permute(0, 3, 1, 2)


def content_attention(q: Tensor, rho: Tensor, v: Tensor) -> Tensor:
    """Content branch (2), linear in the number of pixels.

    Args:
        q: queries (b, h, d, y, x); not normalised.
        rho: normalised keys (b, h, d, y, x), from `normalise_keys`.
        v: values (b, h, e, y, x).

    Returns:
        (b, h, e, y, x).
    """
    context = v.flatten(-2) @ rho.flatten(-2).transpose(-1, -2)  # (b, h, e, d)
    return (context @ q.flatten(-2)).unflatten(-1, q.shape[-2:])  # (b, h, e, y, x)


def windowed_content_attention(q: Tensor, rho: Tensor, v: Tensor, reach: int) -> Tensor:
    """Content branch (2) in which a query reads no cell further than `reach` along either axis.

    The weights inside the window stay as they are: ρ is still normalised over all pixels. Every
    query has a context of its own here, so this takes d · e numbers for each pixel and head.

    Args:
        q, rho, v: as in `content_attention`.
        reach: in cells, from 0.

    Returns:
        (b, h, e, y, x).
    """
    near = [_band(size, reach).to(q) for size in q.shape[-2:]]  # (y, i) and (x, j)
    products = torch.einsum("bhdij,bheij->bhdeij", rho, v)
    context = torch.einsum("bhdeij,yi,xj->bhdeyx", products, *near)
    return torch.einsum("bhdyx,bhdeyx->bheyx", q, context)


def _band(size: int, reach: int) -> Tensor:
    """(size, size), true where two indices differ by `reach` at most."""
    at = torch.arange(size)
    return (at[:, None] - at[None]).abs() <= reach


def windowed_embeddings(embeddings: Tensor, reach: int) -> Tensor:
    """Relative embeddings (2n - 1, d), zero for offsets beyond `reach` cells."""
    middle = (embeddings.shape[0] - 1) // 2
    offset = torch.arange(embeddings.shape[0], device=embeddings.device) - middle
    return embeddings * (offset.abs() <= reach).unsqueeze(1)


def resize_embeddings(embeddings: Tensor, length: int) -> Tensor:
    """Relative embeddings for an axis of another length than the one they were made for.

    An offset of δ cells on an axis of `length` cells is read at δ · trained / length of the table,
    between rows by linear interpolation, so it spans the same share of the picture. The result is
    scaled by trained / length, which keeps the sum over the axis at the size it was trained at.

    Args:
        embeddings: (2 * trained - 1, d); row trained - 1 belongs to offset 0.
        length: cells of the axis at hand, at least 1.

    Returns:
        (2 * length - 1, d); `embeddings` itself where the length is the trained one.
    """
    trained = (embeddings.shape[0] + 1) // 2
    if length == trained:
        return embeddings
    offsets = torch.arange(1 - length, length, device=embeddings.device)
    at = (offsets * (trained / length) + trained - 1).clamp(0, 2 * trained - 2)
    below = at.floor().long()
    share = (at - below).to(embeddings.dtype).unsqueeze(1)
    above = (below + 1).clamp(max=2 * trained - 2)
    mixed = embeddings[below] * (1 - share) + embeddings[above] * share
    return mixed * (trained / length)


def by_pair(embeddings: Tensor) -> Tensor:
    """The embedding of each (query, key) pair of an axis: result[a, i] = embeddings[i - a].

    Args:
        embeddings: (2n - 1, d), offsets -(n - 1) to n - 1.

    Returns:
        (n, n, d).
    """
    n = (embeddings.shape[0] + 1) // 2
    windows = embeddings.unfold(0, n, 1)  # (n, d, n), windows[n - 1 - a] belongs to query a
    return windows.transpose(1, 2).flip(0)


def column_scores(q: Tensor, r_c: Tensor) -> Tensor:
    """q(a, b) · r_c[i - a] of (3): how much pixel (a, b) reads from row i of its own column.

    Args:
        q: (b, h, d, y, x).
        r_c: (2y - 1, d).

    Returns:
        (b, h, x, y, i): for each column, a (query row, key row) matrix.
    """
    return torch.einsum("bhdyx,yid->bhxyi", q, by_pair(r_c).to(q.dtype))


def row_scores(q: Tensor, r_r: Tensor) -> Tensor:
    """q(a, b) · r_r[j - b] of (5): how much pixel (a, b) reads from column j of its own row.

    Args:
        q: (b, h, d, y, x).
        r_r: (2x - 1, d).

    Returns:
        (b, h, y, x, j): for each row, a (query column, key column) matrix.
    """
    return torch.einsum("bhdyx,xjd->bhyxj", q, by_pair(r_r).to(q.dtype))


def column_step(scores: Tensor, v: Tensor) -> Tensor:
    """(3), Σ_i scores · v(i, b): (b, h, x, y, i) and (b, h, e, y, x) give (b, h, e, y, x)."""
    return torch.einsum("bhxyi,bheix->bheyx", scores, v)


def row_step(scores: Tensor, u: Tensor) -> Tensor:
    """(5), Σ_j scores · u(a, j): (b, h, y, x, j) and (b, h, e, y, x) give (b, h, e, y, x)."""
    return torch.einsum("bhyxj,bheyj->bheyx", scores, u)
