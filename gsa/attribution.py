"""Class attributions by captum, for GSA and conv networks alike. All of them are heuristics.

One door leads to captum: `attribute`. It works on a private shadow of the network (the modules
copied, the weights shared), so captum's hooks never meet another thread's forward pass, and one
at a time, since attributions take many times the memory of a forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from captum.attr import (
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

from gsa.baselines import edge_map, nearness
from gsa.checkpoints import Checkpoint
from gsa.record import Array, check_eval, exact
from gsa.resnet import shadow
from gsa.rng import seeded

NOISE = 0.15  # of SmoothGrad, as a share of the range of the input's values (Smilkov et al. 2017)


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each pixel of the network input speaks for a class."""

    method: str
    target: int  # the class
    values: Array  # (rows, columns) of the network input
    signed: bool  # whether negative values speak against the class
    delta: float | None = None  # Integrated Gradients: what its sum misses of the score's change


def attribute(
    checkpoint: Checkpoint, x: Tensor, target: int, method: str, *, effort: int = 32
) -> Attribution:
    """Attribute a class score to the pixels of a picture, in the precision of the weights.

    Args:
        checkpoint: GSA or conv.
        x: (1, 3, rows, columns), from `Preprocess.tensor`.
        target: class, from 0.
        method: one of `METHODS`.
        effort: steps of Integrated Gradients, samples of SmoothGrad; the other methods have none.

    Raises:
        ValueError: for an unknown method, class or effort, if `x` is not one picture, or the
            network is in training mode.
    """
    check_method(method)
    model = checkpoint.model
    check_eval(model)
    model.check_target(target)
    target = int(target)  # captum takes no numbers of numpy
    if not isinstance(effort, Integral) or effort < 1:
        raise ValueError(f"`effort` (={effort!r}) must be whole and at least 1.")
    with seeded(0), torch.enable_grad():  # SmoothGrad draws noise: each run draws the same
        picture = model.prepared(x, single=True).detach().clone().requires_grad_(True)
        with exact(picture):
            return METHODS[method](shadow(model), picture, target, effort)


def check_method(method: str) -> None:
    """ValueError if there is no such method."""
    if method not in METHODS:
        raise ValueError(f"`method` (={method!r}) must be one of {', '.join(METHODS)}.")


def _plane(values: Tensor) -> Array:
    """(1, channels, rows, columns) to (rows, columns): the sum over channels."""
    return values.detach().sum(dim=1)[0].float().cpu().numpy()


def _integrated_gradients(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    values, delta = IntegratedGradients(model).attribute(
        x, target=target, n_steps=effort, internal_batch_size=16, return_convergence_delta=True
    )
    return Attribution("integrated_gradients", target, _plane(values), True, float(delta))


def _grad_cam(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    last = model.stages[-1][-1]  # type: ignore[index]
    values = LayerGradCam(model, last).attribute(x, target=target, relu_attributions=True)
    size = (x.shape[2], x.shape[3])
    fine = LayerAttribution.interpolate(values, size, interpolate_mode="bilinear")
    return Attribution("grad_cam", target, _plane(fine), False)


def _occlusion(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    side = max(min(x.shape[2:]) // 8, 1)
    values = Occlusion(model).attribute(
        x.detach(),
        target=target,
        sliding_window_shapes=(3, side, side),
        strides=(3, max(side // 2, 1), max(side // 2, 1)),
        baselines=0,  # the mean colour
        perturbations_per_eval=16,
    )
    return Attribution("occlusion", target, _plane(values) / 3, True)


def _saliency(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    return Attribution("saliency", target, _plane(Saliency(model).attribute(x, target)), False)


def _smooth_grad(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    # signed, so that what the noise does cancels in the mean (Smilkov et al. 2017); then the size
    values = NoiseTunnel(Saliency(model)).attribute(
        x,
        nt_samples=effort,
        nt_samples_batch_size=min(effort, 8),
        stdevs=NOISE * float(x.detach().max() - x.detach().min()),
        target=target,
        abs=False,
    )
    return Attribution("smooth_grad", target, _plane(values.abs()), False)


def _edges(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    """A control: it knows neither network nor class."""
    return Attribution("edges", target, edge_map(_plane(x)), False)


def _middle(model: nn.Module, x: Tensor, target: int, effort: int) -> Attribution:
    """As `_edges`, and knows not even the picture."""
    near = nearness(x.shape[2], x.shape[3]).astype(np.float32)
    return Attribution("middle", target, near, False)


METHODS: dict[str, Callable[[nn.Module, Tensor, int, int], Attribution]] = {
    "integrated_gradients": _integrated_gradients,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
    "saliency": _saliency,
    "smooth_grad": _smooth_grad,
    "edges": _edges,
    "middle": _middle,
}
