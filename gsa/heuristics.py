"""Maps that are not proved, or only to first order. They are named as what they are.

- `rollout` follows |weights| through all layers. Signs, values and nonlinearities are left out, so
  it is a heuristic, even where each layer's own map is exact.
- `class_flow` weighs a layer's maps by the gradient of a class score. It is exact to first order:
  its sum over the pixels is gradient times output of the branch (less the offset of the step norm).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gsa import maps
from gsa.cells import Cells, check_cells
from gsa.maps import Kind
from gsa.record import Array, LayerRecord, Recording, check_eval, exact, frozen, unwrapped
from gsa.resnet import ResNet


def rollout(recording: Recording, layer: str, cells: Cells) -> Array:
    """Attention rollout from cells of a layer's output grid back to the first layer's input.

    In every layer half of the share stays at its place (the residual connection) and half is spread
    by the mean over heads of |content| + |positional| weights, each branch normalised to 1 and
    weighed by its part in the layer's output. Where a layer is pooled, a coarse cell hands its
    share to the cells it is the mean of, and the residual to the one cell that it samples.

    Args:
        recording: of a GSA network.
        layer: where to start.
        cells: of the grid that `layer` puts out, after its pooling.

    Returns:
        (y, x) of the first layer's grid; not negative, sums to 1.

    Raises:
        ValueError: if there is no such layer, or `cells` leaves its output grid.
    """
    shape = recording[layer].pooled_shape
    check_cells(cells, shape, f"the output of layer {layer}")
    names = list(recording.layers)
    share = np.zeros(shape)
    cells.of(share)[...] = 1 / cells.of(share).size
    for name in reversed(names[: names.index(layer) + 1]):
        record = recording[name]
        spread, kept = _unpooled(share, record)
        share = 0.5 * kept + 0.5 * _spread(record, spread)
    return share


def _unpooled(share: Array, layer: LayerRecord) -> tuple[Array, Array]:
    """Shares of a pooled grid on the full one: through the pooling, and through the shortcut."""
    stride = layer.stride
    if stride == 1:
        return share, share
    spread, kept = np.zeros(layer.shape), np.zeros(layer.shape)
    for row, column in np.argwhere(share > 0):
        window = spread[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
        window += share[row, column] / window.size
        kept[row * stride, column * stride] += share[row, column]
    return spread, kept


def _spread(layer: LayerRecord, share: Array) -> Array:
    """Shares after one layer's attention, one query at a time, so that no N x N matrix is held."""
    result = np.zeros(layer.shape)
    for row, column in np.argwhere(share > 0):
        cells = Cells.at(int(row), int(column))
        for branch in maps.branches(layer):
            size = np.abs(maps.branch_map(layer, branch, cells)).mean(axis=0)
            part = maps.branch_share(layer, branch, cells)
            if np.isnan(part):  # no branch puts out anything: the share is divided evenly
                part = 1 / len(maps.branches(layer))
            if size.sum() > 0:
                result += share[row, column] * part * size / size.sum()
            else:
                result[row, column] += share[row, column] * part
    return result


class _GraphRecorder:
    """Keeps the output of every layer inside the graph; belongs to one call."""

    def __init__(self) -> None:
        self.outputs: dict[str, Tensor] = {}

    def layer(self, name: str, **tensors: Tensor) -> None:
        self.outputs[name] = tensors["output"]


def output_gradients(model: ResNet, x: Tensor, target: int) -> dict[str, Array]:
    """Gradient of a class score with respect to the output of every GSA layer.

    Computed in the precision of the weights, as `gsa.record.record` has it.

    Args:
        model: in eval mode; its parameters may be frozen, and get no gradient.
        x: (1, 3, rows, columns).
        target: class, from 0.

    Returns:
        Read-only (h, e, y, x) by layer name, of float32 or float64; empty for a conv network.

    Raises:
        ValueError: if `model` is no network of this project or in training mode, `x` is not one
            picture, or there is no such class.
    """
    model = unwrapped(model)
    check_eval(model)
    model.check_target(target)
    recorder = _GraphRecorder()
    picture = model.prepared(x, single=True).detach().clone().requires_grad_(True)
    with torch.enable_grad(), exact(picture):
        logits = model(picture, recorder)
        if not recorder.outputs:
            return {}
        gradients = torch.autograd.grad(logits[0, target], list(recorder.outputs.values()))
    return {
        name: frozen(gradient[0])
        for name, gradient in zip(recorder.outputs, gradients, strict=True)
    }


def class_flow(layer: LayerRecord, kind: Kind, gradient: Array) -> Array:
    """What each pixel's values, carried by a branch to all queries, add to a class score.

    To first order: Σ_p Σ_c g_c(p) w_p(j) v_c(j), with the gain of the step norm in the positional
    branch. Costs about as much as the branch itself.

    Args:
        layer: the record.
        kind: a branch, or `sum`, what both carry.
        gradient: (h, e, y, x), from `output_gradients`.

    Returns:
        (h, y, x), signed.

    Raises:
        ValueError: if the layer lacks the branch, for a kind that is none, or for the gradient of
            another layer.
    """
    if gradient.shape != layer.output.shape:
        raise ValueError(
            f"`gradient` has shape {gradient.shape}; that of layer {layer.name} has "
            f"{layer.output.shape}."
        )
    of = maps.chosen(kind, content=_content_flow, positional=_positional_flow, sum=_sum_flow)
    return of(layer, gradient)


def _content_flow(layer: LayerRecord, gradient: Array) -> Array:
    rho = maps.key_maps(layer)
    if layer.reach is None:
        carried = np.einsum("hepq,hdpq->hed", gradient, layer.q)
        return np.einsum("hed,hdyx,heyx->hyx", carried, rho, layer.v, optimize=True)
    # each place is read by other queries, so what they carry is summed for each by itself
    each = np.einsum("hepq,hdpq->hedpq", gradient, layer.q)
    carried = np.einsum("hedpq,py,qx->hedyx", each, *layer.near(), optimize=True)
    return np.einsum("hedyx,hdyx,heyx->hyx", carried, rho, layer.v, optimize=True)


def _positional_flow(layer: LayerRecord, gradient: Array) -> Array:
    maps.required(layer.positional, layer, "positional branch")
    rows, columns = layer.shape
    reached = gradient if layer.gain is None else gradient * layer.gain[..., None, None]
    if layer.r_r is not None:
        along = np.stack(  # (b, h, a, j): what (a, b) reads from (a, j)
            [maps.row_weights(layer, Cells(0, b, rows, b + 1)) for b in range(columns)]
        )
        reached = np.einsum("heab,bhaj->heaj", reached, along, optimize=True)
    if layer.r_c is not None:
        down = np.stack([maps.column_weights(layer, a) for a in range(rows)])  # (a, h, i, j)
        reached = np.einsum("heaj,ahij->heij", reached, down, optimize=True)
    return (reached * layer.v).sum(axis=1)


def _sum_flow(layer: LayerRecord, gradient: Array) -> Array:
    return _content_flow(layer, gradient) + _positional_flow(layer, gradient)
