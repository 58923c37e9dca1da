"""Attention maps of a recorded layer, each computed for the queries asked for and no others.

A map holds the weight that a query gives to every pixel: formula (1) of `gsa.formulas` in the
content branch, (6) in the positional one, with the axes of `gsa.record.LayerRecord`. GSA weights
are signed and do not sum to 1. In (6) the row score is the query's own; the column score is taken
at column j of the query's row, because the column step runs first and every pixel of that row
gathers from its own column with its own query.

No N x N matrix is formed for one query. `gsa.proofs` shows that each map is exact.
"""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import numpy as np

from gsa.cells import Cells, check_in_layer
from gsa.record import Array, LayerRecord

Branch = Literal["content", "positional"]
Kind = Branch | Literal["sum"]
Direction = Literal["from", "to"]  # what a place reads, or who reads it
MEMORY_LIMIT = 256 * 2**20  # bytes that `all_queries` may fill
T = TypeVar("T")


def chosen(kind: str, **options: T) -> T:
    """The one of `options` that a kind of map names; ValueError for a name that is none of them."""
    if kind not in options:
        raise ValueError(f"there is no kind {kind!r} here; it must be {' or '.join(options)}.")
    return options[kind]


def check_direction(direction: str) -> None:
    """ValueError for a direction that is none."""
    if direction not in get_args(Direction):
        raise ValueError(f"`direction` (={direction!r}) must be of {get_args(Direction)}.")


def required(values: Array | None, layer: LayerRecord, what: str) -> Array:
    """`values`, a field of `layer`; ValueError where it has none, which is `what` it lacks."""
    if values is None:
        raise ValueError(f"layer {layer.name} has no {what}.")
    return values


def content_map(layer: LayerRecord, cells: Cells) -> Array:
    """Weights of the content branch (1), the mean over the queries p in `cells`.

    Returns:
        (h, y, x), signed; over all pixels a head's weights sum to Σ_d q_d(p).

    Raises:
        ValueError: if the layer has no content branch or `cells` leaves its grid.
    """
    rho = required(layer.rho, layer, "content branch")
    q = _mean_in_reach(layer, layer.q, cells)  # the map is linear in the query
    return np.einsum("hdyx,hdyx->hyx", q, rho)


def row_weights(layer: LayerRecord, cells: Cells) -> Array:
    """The row step (5) alone: q(a, b) · r_r[j - b], the mean over the columns b of `cells`.

    Returns:
        (h, rows of `cells`, x): what each query row reads from column j of its own row.

    Raises:
        ValueError: if the layer has no row step or `cells` leaves its grid.
    """
    check_in_layer(cells, layer)
    r_r = required(layer.r_r, layer, "row step")
    columns = layer.shape[1]
    offset = np.arange(columns) - np.arange(cells.left, cells.right)[:, None]  # (b, j)
    pairs = r_r[offset + columns - 1]  # (b, j, d)
    return np.einsum("hdab,bjd->haj", cells.of(layer.q), pairs) / (cells.right - cells.left)


def column_weights(layer: LayerRecord, row: int) -> Array:
    """The column step (3) alone, for every pixel (a, j) of row a: q(a, j) · r_c[i - a].

    Returns:
        (h, y, x): entry (i, j) is what pixel (a, j) reads from row i of its own column j.

    Raises:
        ValueError: if the layer has no column step or no such row.
    """
    check_in_layer(Cells.at(row, 0), layer)
    r_c, rows = required(layer.r_c, layer, "column step"), layer.shape[0]
    return np.einsum("hdj,id->hij", layer.q[:, :, row], r_c[np.arange(rows) - row + rows - 1])


def positional_map(layer: LayerRecord, cells: Cells) -> Array:
    """Weights of the positional branch (6), the mean over the queries in `cells`.

    Where the layer has one step only, the map is that step: zero off the query's column or row.

    Returns:
        (h, y, x), signed, before the gain that each value channel puts on it.

    Raises:
        ValueError: if the layer has no positional branch or `cells` leaves its grid.
    """
    check_in_layer(cells, layer)
    required(layer.positional, layer, "positional branch")
    weights = np.zeros((layer.heads, *layer.shape), dtype=layer.q.dtype)
    if layer.r_r is None:  # without the row step each query keeps to its own column
        rows = np.zeros_like(weights[:, cells.top : cells.bottom])
        rows[..., cells.left : cells.right] = 1 / (cells.right - cells.left)
    else:
        rows = row_weights(layer, cells)  # (h, a, j)
    for at, row in enumerate(range(cells.top, cells.bottom)):
        if layer.r_c is None:
            weights[:, row] += rows[:, at]
        else:
            weights += rows[:, at, None, :] * column_weights(layer, row)
    return weights / (cells.bottom - cells.top)


def branch_map(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """`content_map`, `positional_map` or `sum_map` by name; ValueError for any other name."""
    return chosen(kind, content=content_map, positional=positional_map, sum=sum_map)(layer, cells)


def branches(layer: LayerRecord) -> tuple[Branch, ...]:
    """The branches that a layer has."""
    both: tuple[Branch, ...] = ("content", "positional")
    return tuple(name for name in both if getattr(layer, name) is not None)


def kinds(layer: LayerRecord) -> tuple[Kind, ...]:
    """The branches that a layer has, and their sum where there are two."""
    present = branches(layer)
    return (*present, "sum") if len(present) == 2 else present


def sum_map(layer: LayerRecord, cells: Cells, channel: int | None = None) -> Array:
    """Content weights plus gain times positional weights.

    The batch norm between the steps gives each value channel its own gain. For one `channel`, map
    times values is the layer's output but for the batch norm's offset, which weighs no pixel
    (`gsa.contributions.constant`): `gsa.proofs` shows that. For `channel=None` the mean gain of the
    head's channels stands in: the mean of the maps of all channels, which times values gives no
    output. `gsa.contributions.contribution_map` has what both branches carry in every channel.

    Args:
        channel: value channel within each head, from 0.

    Returns:
        (h, y, x), signed.

    Raises:
        ValueError: if the layer lacks a branch or the channel.
    """
    return content_map(layer, cells) + _gain(layer, channel) * positional_map(layer, cells)


def reverse_sum_map(layer: LayerRecord, cells: Cells, channel: int | None = None) -> Array:
    """How much each query draws on `cells` in both branches; see `sum_map`. (h, y, x)."""
    gain = _gain(layer, channel)
    return reverse_content_map(layer, cells) + gain * reverse_positional_map(layer, cells)


def _gain(layer: LayerRecord, channel: int | None) -> Array:
    """Gain of the positional weights, (h, 1, 1); their mean over the channels for None."""
    channels = layer.v.shape[1]
    if channel is not None and not 0 <= channel < channels:
        raise ValueError(
            f"`channel` (={channel}) must be from 0 to {channels - 1} in layer {layer.name}."
        )
    if layer.gain is None:
        return np.ones((layer.heads, 1, 1), dtype=layer.q.dtype)
    gain = layer.gain.mean(axis=1) if channel is None else layer.gain[:, channel]
    return gain[:, None, None]


def reverse_content_map(layer: LayerRecord, cells: Cells) -> Array:
    """How much each query draws on the pixels in `cells` by content, their mean.

    Returns:
        (h, y, x): entry (a, b) is the weight that query (a, b) gives to `cells`.

    Raises:
        ValueError: if the layer has no content branch or `cells` leaves its grid.
    """
    rho = _mean_in_reach(layer, required(layer.rho, layer, "content branch"), cells)
    return np.einsum("hdyx,hdyx->hyx", layer.q, rho)


def _mean_in_reach(layer: LayerRecord, values: Array, cells: Cells) -> Array:
    """The mean of (h, d, y, x) over `cells`, in which those beyond the layer's reach count as 0.

    Returns:
        (h, d, y, x), as each place of the grid has it; (h, d, 1, 1) where nothing is cut.
    """
    check_in_layer(cells, layer)
    part = cells.of(values)
    if layer.reach is None:
        return part.mean(axis=(-2, -1), keepdims=True)
    rows, columns = layer.near()
    near = rows[cells.top : cells.bottom], columns[cells.left : cells.right]
    return np.einsum("hdab,ay,bx->hdyx", part, *near, optimize=True) / part[0, 0].size


def reverse_positional_map(layer: LayerRecord, cells: Cells) -> Array:
    """How much each query draws on the pixels in `cells` by position, their mean.

    Returns:
        (h, y, x): entry (a, b) is the weight that query (a, b) gives to `cells`.

    Raises:
        ValueError: if the layer has no positional branch or `cells` leaves its grid.
    """
    check_in_layer(cells, layer)
    rows, columns = layer.shape
    weights = np.zeros((layer.heads, rows, columns), dtype=layer.q.dtype)
    r_c, r_r = layer.r_c, layer.r_r
    required(layer.positional, layer, "positional branch")
    a, b = np.arange(rows), np.arange(columns)
    for j in range(cells.left, cells.right):
        if r_r is None:
            reach = np.broadcast_to((b == j).astype(weights.dtype), weights.shape)
        else:
            reach = np.einsum("hdab,bd->hab", layer.q, r_r[j - b + columns - 1])
        for i in range(cells.top, cells.bottom):
            if r_c is None:
                here = (a == i).astype(weights.dtype)[None]  # (1, a)
            else:
                here = np.einsum("hda,ad->ha", layer.q[..., j], r_c[i - a + rows - 1])
            weights += reach * here[..., None]
    return weights / ((cells.bottom - cells.top) * (cells.right - cells.left))


def reverse_map(layer: LayerRecord, kind: Kind, cells: Cells) -> Array:
    """`reverse_content_map`, `reverse_positional_map` or `reverse_sum_map`, as `branch_map`."""
    content, positional = reverse_content_map, reverse_positional_map
    return chosen(kind, content=content, positional=positional, sum=reverse_sum_map)(layer, cells)


def branch_share(layer: LayerRecord, branch: Branch, cells: Cells) -> float:
    """A branch's part in the layer's output at the queries: its norm over the sum of both norms.

    The norm runs over heads, value channels and `cells`. 0 for a branch that the layer lacks; NaN
    where both outputs are zero.

    Raises:
        ValueError: for a name that is no branch, or if `cells` leaves the layer's grid.
    """
    check_in_layer(cells, layer)
    content, positional = (
        0.0 if out is None else float(np.linalg.norm(cells.of(out)))
        for out in (layer.content, layer.positional)
    )
    part, total = chosen(branch, content=content, positional=positional), content + positional
    return part / total if total else float("nan")


def key_maps(layer: LayerRecord) -> Array:
    """ρ(k), the map of each key channel: (h, d, y, x), positive, each sums to 1 over the pixels.

    Of all pixels also where the layer is cut: `reach` takes weights away, and not keys.
    """
    return required(layer.rho, layer, "content branch")


def all_queries(layer: LayerRecord, kind: Kind, limit: int = MEMORY_LIMIT) -> Array:
    """The maps of every query at once, for small grids.

    Returns:
        (h, a, b, y, x): the map of query (a, b), as `branch_map` gives it.

    Raises:
        ValueError: if the result would take more than `limit` bytes, for a kind that is none, or if
            the layer lacks a branch of it.
    """
    rows, columns = layer.shape
    size = layer.heads * (rows * columns) ** 2 * layer.q.itemsize
    if size > limit:
        raise ValueError(
            f"all maps of layer {layer.name} take {size / 2**20:.0f} MiB; at most "
            f"{limit / 2**20:.0f} MiB are allowed. Ask for single queries."
        )
    if kind == "content":
        every = np.einsum("hdab,hdyx->habyx", layer.q, key_maps(layer), optimize=True)
        if layer.reach is not None:
            down, across = layer.near()
            every *= down[:, None, :, None] * across[None, :, None, :]
        return every
    maps = [
        [branch_map(layer, kind, Cells.at(a, b)) for b in range(columns)] for a in range(rows)
    ]  # a, b lists of (h, y, x)
    return np.moveaxis(np.array(maps), 2, 0)


def mean_over_heads(weights: Array) -> Array:
    """(h, ...) to (...): signed mean, in which heads of opposite sign cancel."""
    return weights.mean(axis=0)


def mean_absolute_over_heads(weights: Array) -> Array:
    """(h, ...) to (...): mean of |w|, never negative."""
    return np.abs(weights).mean(axis=0)


def max_absolute_over_heads(weights: Array) -> Array:
    """(h, ...) to (...): the largest |w| of any head, never negative."""
    return np.abs(weights).max(axis=0)
