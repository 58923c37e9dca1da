"""The global self-attention module of Shen et al. 2020 (arXiv 2010.03019).

Two branches run in parallel on the same queries and values, and their sum is the output; numbers
are those of `gsa.formulas`, which also says what the axes are called:

- **content** (2): time and memory are linear in the number of pixels.
- **positional**: column step (3), batch norm (4), row step (5). Two axial steps reach every one of
  N pixels at a cost of the order of N√N.

Here is the layer, and which way of computing them it takes.
"""

from __future__ import annotations

import copy
import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from gsa import (
    fast,
    native_content,
    native_module,
    native_norm,
    native_steps,
    triton_content,
    triton_steps,
)
from gsa.config import Positional, ProjectionNorm, RelativeInit, check_options
from gsa.formulas import (
    by_pair,
    column_scores,
    column_step,
    content_attention,
    normalise_keys,
    normalise_queries,
    resize_embeddings,
    row_scores,
    row_step,
    windowed_content_attention,
    windowed_embeddings,
)
from gsa.pointwise import PointwiseConv2d


class Recorder(Protocol):
    """What `GlobalSelfAttention.forward` hands its tensors to, when a caller wants them."""

    def layer(self, name: str, **tensors: Tensor) -> None:
        """Take the named tensors of one layer."""


def content_branch(q: Tensor, k: Tensor, v: Tensor, rho: Tensor | None = None) -> Tensor:
    """The whole branch (2), `content_attention(q, normalise_keys(k), v)`, in the fastest way.

    `rho`, where it is known already, need not be made again for the plain way.
    """
    if native_content.available(q, k, v):
        return native_content.content_branch(q, k, v)
    if triton_content.available(q, k, v):
        return triton_content.content_branch(q, k, v)
    return content_attention(q, normalise_keys(k) if rho is None else rho, v)


def column_attention(q: Tensor, r_c: Tensor, v: Tensor) -> Tensor:
    """The whole column step (3), `column_step(column_scores(q, r_c), v)`, in the fastest way."""
    if native_steps.available(q, v):
        return native_steps.column_attention(q, r_c, v)
    if fast.pays(q):
        return fast.column_attention(q, by_pair(r_c), v)
    if triton_steps.available(q, v, axis=-2):
        return triton_steps.column_attention(q, r_c, v)
    return column_step(column_scores(q, r_c), v)


def row_attention(q: Tensor, r_r: Tensor, u: Tensor) -> Tensor:
    """The whole row step (5), `row_step(row_scores(q, r_r), u)`, in the fastest way."""
    if native_steps.available(q, u):
        return native_steps.row_attention(q, r_r, u)
    if fast.pays(q):
        return fast.row_attention(q, by_pair(r_r), u)
    if triton_steps.available(q, u, axis=-1):
        return triton_steps.row_attention(q, r_r, u)
    return row_step(row_scores(q, r_r), u)


def _initial_embeddings(length: int, channels: int, init: RelativeInit) -> Tensor:
    """(2 * length - 1, channels) start values of r_c or r_r.

    `normal`: std 1 / sqrt(channels * length); with 1 the branch is 12 to 200 times as large as
    the other. `local`: a tenth of that noise on Gaussian bumps near offset 0, one for each channel.
    """
    table = torch.empty(2 * length - 1, channels)
    if table.is_meta:
        return table  # where it takes torch long to draw none
    noise = torch.randn_like(table) * (1 / math.sqrt(channels * length))
    if init == "normal":
        return noise
    offsets = torch.arange(1 - length, length).unsqueeze(1)  # (2 * length - 1, 1)
    centre = torch.arange(channels) % 3 - 1  # one step back, here, one step on
    sigma = 0.5 * 2.0 ** (torch.arange(channels) // 3 % 3)  # 0.5, 1, 2 cells
    bump = torch.exp(-((offsets - centre) ** 2) / (2 * sigma**2))
    return bump / bump.sum(0) / math.sqrt(channels) + 0.1 * noise


class QueryNorm(nn.Module):
    """Divides each head's query by its root mean square; then a gain and a bias per channel.

    A GSA module multiplies queries into the values up to twice, so without a bound on them a
    picture of unusual contrast grows by a power of its contrast in every layer.

    Shape: (b, width, y, x) to the same.
    """

    eps = 1e-5

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, q: Tensor) -> Tensor:
        """Normalise over the channels of each head, in the fastest way."""
        of = native_norm.query_norm if native_norm.available(q, self.heads) else normalise_queries
        return of(q, self.weight, self.bias, self.heads, self.eps)


class GlobalSelfAttention(nn.Module):
    """Global self-attention: content and positional branch, summed; no output projection.

    Works at any input size: the relative embeddings are made for `size` and interpolated for
    another (`resize_embeddings`), which is an approximation: accuracy is measured at `size`.

    On a CPU `gsa.native_steps` and `gsa.native_content` take the branches in single precision and
    bfloat16 where there is a C++ compiler, in inference mode both at once (`gsa.native_module`);
    else `gsa.fast` takes the steps; on a GPU `gsa.triton_steps` and `gsa.triton_content` do. The
    faster ways have first derivatives by `backward` and `autograd.grad` only, and raise
    RuntimeError for second and batched ones (`gsa.fast.first_derivatives`); inside
    `gsa.fast.switched_off()` the plain formulas are used, which have these and forward mode too.

    `reach`, where it is not None, cuts every weight further than so many cells along either axis,
    and `gap` every weight up to there (`gsa.interventions` sets them); networks train without.

    Args:
        in_channels: channels of the input.
        width: channels of the output; d_k = d_v = width / heads in each head.
        heads: number of heads, a divisor of width.
        size: (rows, columns) of the grid the relative embeddings are made for.
        content: whether the content branch is there.
        positional: which steps of the positional branch are there. The batch norm stands between
            the two steps, so there is one only for `both`.
        projection_norm: what follows the projections. `none` is the paper's module; the others are
            variants of this project: `batch`, a batch norm on queries, keys and values; `rms`, the
            same on keys and values, and `QueryNorm` on the queries, which bounds them.
        query_gain: start of that norm's gain on the queries.
        query_offset: start of that norm's bias on the queries. At 0 a query has no constant part
            and each positional weight starts with a random sign in every pixel; a constant part
            makes the positional branch start as a convolution along the axes.
        relative_init: how r_c and r_r start.

    Shape: (b, in_channels, y, x) to (b, width, y, x).

    Raises:
        ValueError: if a number is not whole and positive, `heads` does not divide `width`, or an
            option breaks a rule of `gsa.config.check_options`.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        heads: int,
        size: tuple[int, int],
        *,
        content: bool = True,
        positional: Positional = "both",
        projection_norm: ProjectionNorm = "none",
        query_gain: float = 1.0,
        query_offset: float = 0.0,
        relative_init: RelativeInit = "normal",
    ) -> None:
        super().__init__()
        for option, number in (("in_channels", in_channels), ("width", width), ("heads", heads)):
            if type(number) is not int or number < 1:
                raise ValueError(f"`{option}` (={number!r}) must be whole and positive.")
        if width % heads:
            raise ValueError(f"`width` (={width}) must be divisible by `heads` (={heads}).")
        if not isinstance(size, tuple | list) or [*map(type, size)] != [int, int] or min(size) < 1:
            raise ValueError(f"`size` (={size!r}) must be two whole, positive numbers of cells.")
        check_options(
            content=content,
            positional=positional,
            projection_norm=projection_norm,
            query_gain=query_gain,
            query_offset=query_offset,
            relative_init=relative_init,
        )
        self.heads = heads
        self.size = size
        self.reach: int | None = None
        self.gap: int | None = None
        self.has_column = positional in ("both", "column")
        self.has_row = positional in ("both", "row")
        channels = width // heads
        self.to_q = PointwiseConv2d(in_channels, width)
        self.to_k = PointwiseConv2d(in_channels, width) if content else None
        self.to_v = PointwiseConv2d(in_channels, width)
        self.q_norm: nn.Module = nn.Identity()
        self.k_norm: nn.Module = nn.Identity()
        self.v_norm: nn.Module = nn.Identity()
        if projection_norm != "none":
            q_norm = QueryNorm(width, heads) if projection_norm == "rms" else nn.BatchNorm2d(width)
            nn.init.constant_(q_norm.weight, query_gain)
            nn.init.constant_(q_norm.bias, query_offset)
            self.q_norm = q_norm
            self.v_norm = nn.BatchNorm2d(width)
            if content:
                self.k_norm = nn.BatchNorm2d(width)
        if self.has_column:
            self.r_c = nn.Parameter(_initial_embeddings(size[0], channels, relative_init))
        if self.has_row:
            self.r_r = nn.Parameter(_initial_embeddings(size[1], channels, relative_init))
        if self.has_column and self.has_row:
            self.step_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor, recorder: Recorder | None = None, name: str = "") -> Tensor:
        """(b, in_channels, y, x) to (b, width, y, x); hands its tensors to `recorder` if given.

        Raises:
            ValueError: if it is to record a layer with a gap, or `x` has another shape.
        """
        if x.dim() != 4 or x.shape[1] != self.to_q.in_channels:
            wanted = f"(b, {self.to_q.in_channels}, y, x)"
            raise ValueError(f"`x` must be {wanted}, not {tuple(x.shape)}.")
        if self.gap is not None:
            if recorder is not None:
                raise ValueError(f"layer {name} has no maps to record while its near part is cut.")
            return self._beyond(self.gap, x)
        x = fast.channels_last(x)
        q, v = self.q_norm(self.to_q(x)), self.v_norm(self.to_v(x))
        k = None if self.to_k is None else self.k_norm(self.to_k(x))
        if k is not None and self._is_plain() and native_module.available(q, k, v, self.heads):
            return self._at_once(q, k, v, recorder, name)
        split, recorded = (self.heads, -1), recorder is not None
        q, v = q.unflatten(1, split), v.unflatten(1, split)  # (b, h, d, y, x), (b, h, e, y, x)
        tensors: dict[str, Tensor] = {"q": q, "v": v}
        parts = []
        if k is not None:
            parts.append(self._content(q, k.unflatten(1, split), v, tensors, recorded=recorded))
        if self.has_column or self.has_row:
            parts.append(self._positional(q, v, tensors, recorded=recorded))
        out = sum(parts[1:], parts[0])
        if recorder is not None:
            recorder.layer(name, output=out, **tensors)
        return fast.heads_joined(out)

    def _beyond(self, gap: int, x: Tensor) -> Tensor:
        """What the weights further than `gap` cells put out: all of it less what the others do.

        The output is a sum over pixels, and the offset of the norm between the steps goes with the
        row weight that it is multiplied with.
        """
        whole, near = copy.copy(self), copy.copy(self)  # with the parameters in common
        whole.gap = near.gap = None
        near.reach = gap if self.reach is None else min(gap, self.reach)
        return whole.forward(x) - near.forward(x)  # past the hooks, which see the layer once

    def _is_plain(self) -> bool:
        """Whether the branches are those of `gsa.native_module`, and nobody looks into them."""
        if not (self.has_column and self.has_row and self.reach is None):
            return False
        norm = self.step_norm
        if type(norm) is not nn.BatchNorm2d or norm.training or "forward" in vars(norm):
            return False
        if any(each is None for each in (norm.running_mean, norm.running_var, norm.weight)):
            return False  # one without statistics, or without weights (and bias)
        return not (norm._forward_hooks or norm._forward_pre_hooks or _has_any_global_hook())

    def _at_once(
        self, q: Tensor, k: Tensor, v: Tensor, recorder: Recorder | None, name: str
    ) -> Tensor:
        """Both branches and their sum, of q, k and v (b, width, y, x)."""
        rows, columns = q.shape[-2:]
        r_c, r_r = self._embeddings(self.r_c, rows), self._embeddings(self.r_r, columns)
        gain, offset = self.step_affine()
        apart = recorder is not None
        found = native_module.branches(q, k, v, r_c, (gain, offset), r_r, apart=apart)
        if recorder is not None:
            joined = {"q": q, "rho": k, "v": v, **found._asdict()}
            tensors = {key: each.unflatten(1, (self.heads, -1)) for key, each in joined.items()}
            tensors["rho"] = normalise_keys(tensors["rho"])  # of the keys
            recorder.layer(name, r_c=r_c, r_r=r_r, gain=gain, offset=offset, **tensors)
        return found.output

    def _content(
        self, q: Tensor, k: Tensor, v: Tensor, tensors: dict[str, Tensor], *, recorded: bool
    ) -> Tensor:
        """Content branch (b, h, e, y, x); where it is recorded, adds what a map needs."""
        if not recorded and self.reach is None:
            return content_branch(q, k, v)
        tensors["rho"] = rho = normalise_keys(k)
        if self.reach is None:
            # in the way of a pass that is not recorded, so that both give the same to the bit
            tensors["content"] = content_branch(q, k, v, rho)
        else:
            tensors["content"] = windowed_content_attention(q, rho, v, self.reach)
        return tensors["content"]

    def _positional(
        self, q: Tensor, v: Tensor, tensors: dict[str, Tensor], *, recorded: bool
    ) -> Tensor:
        """Positional branch (b, h, e, y, x); where it is recorded, adds what a map needs."""
        rows, columns = q.shape[-2:]
        u = v
        if self.has_column:
            tensors["r_c"] = r_c = self._embeddings(self.r_c, rows)
            u = column_attention(q, r_c, v)
        if self.has_column and self.has_row:
            u = self.step_norm(fast.heads_joined(u)).unflatten(1, (self.heads, -1))
            if recorded:
                tensors["gain"], tensors["offset"] = self.step_affine()
        if self.has_row:
            tensors["r_r"] = r_r = self._embeddings(self.r_r, columns)
            u = row_attention(q, r_r, u)
        tensors["positional"] = u
        return u

    def _embeddings(self, trained: Tensor, length: int) -> Tensor:
        """r_c or r_r for an axis of `length` cells, within `reach`."""
        resized = resize_embeddings(trained, length)
        return resized if self.reach is None else windowed_embeddings(resized, self.reach)

    def step_affine(self) -> tuple[Tensor, Tensor]:
        """The batch norm between the steps as it acts in eval mode: (4), u' = gain · u + offset.

        Returns:
            gain and offset, each (h, e), one number for each value channel.
        """
        norm = self.step_norm
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None  # a batch norm without statistics has no fixed gain
        assert variance is not None
        if mean.dtype != torch.float64:  # sums of half precision are made in single precision
            mean, variance = mean.float(), variance.float()
        gain = norm.weight / torch.sqrt(variance + norm.eps)
        offset = norm.bias - mean * gain
        return gain.unflatten(0, (self.heads, -1)), offset.unflatten(0, (self.heads, -1))
