"""A recorded layer's formulas applied to other values than its own, through no map."""

from __future__ import annotations

import torch
from torch import Tensor

from gsa import formulas
from gsa.maps import Branch, chosen, required
from gsa.record import Array, LayerRecord, exact


def replayed(layer: LayerRecord, branch: Branch, values: Array) -> Array:
    """What a branch puts out for other values, with the recorded queries, keys and embeddings.

    Formula (2) of `gsa.formulas`, or (3) and (5) without the norm (4) between them.

    Args:
        layer: the record.
        branch: content or positional.
        values: (h, e, y, x), for any number of channels e.

    Returns:
        (h, e, y, x), before the gain of the positional branch.

    Raises:
        ValueError: if the layer lacks the branch.
    """
    out = chosen(branch, content=layer.content, positional=layer.positional)
    required(out, layer, f"{branch} branch")
    q, v = _batch(layer.q), _batch(values)
    with exact(v):
        return (_content if branch == "content" else _positional)(layer, q, v)[0].numpy()


def _content(layer: LayerRecord, q: Tensor, v: Tensor) -> Tensor:
    assert layer.rho is not None
    rho = _batch(layer.rho)
    if layer.reach is None:
        return formulas.content_attention(q, rho, v)
    return formulas.windowed_content_attention(q, rho, v, layer.reach)


def _positional(layer: LayerRecord, q: Tensor, v: Tensor) -> Tensor:
    if layer.r_c is not None:
        v = formulas.column_step(formulas.column_scores(q, torch.tensor(layer.r_c)), v)
    if layer.r_r is not None:
        v = formulas.row_step(formulas.row_scores(q, torch.tensor(layer.r_r)), v)
    return v


def _batch(values: Array) -> Tensor:
    """One picture's array as a batch; a copy, since the record cannot be written."""
    return torch.tensor(values)[None]
