"""What if the network could not look that far? The causal test of a map.

A map says where a layer reads; it does not say that the answer depends on it. So the weights
beyond a radius are cut, or a branch is switched off, and the class is asked again. The radius is
measured along the axes: cut at one cell, a GSA layer has weights where a 3x3 convolution has them.
The weights that stay keep their values, so in one way the far pixels still act: the softmax of the
keys, ρ, is normalised over all of them. The map is what is cut, and what is put to the test. A
network may lose its class to any cut, since it was trained without; so there is the control, to cut
the near weights instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gsa.checkpoints import Checkpoint
from gsa.maps import Branch
from gsa.record import Array, check_eval, check_temperature, unwrapped
from gsa.resnet import ResNet, shadow

Cut = Literal["far", "near"]


@dataclass(frozen=True)
class Limits:
    """What some layers may not do.

    Raises:
        ValueError: for a negative radius or a branch that is none.
    """

    radius: float | None = None  # pixels of the network input along either axis; None: no limit
    cut: Cut = "far"  # which weights: those further than the radius, or those up to it
    without: Branch | None = None  # the branch that is switched off
    layers: tuple[str, ...] = ()  # names; empty: every GSA layer

    def __post_init__(self) -> None:
        radius = 0 if self.radius is None else self.radius
        if not isinstance(radius, Real) or not 0 <= radius < math.inf:
            raise ValueError(f"`radius` (={radius!r}) must be a number of pixels from 0.")
        if self.cut not in get_args(Cut):
            raise ValueError(f"`cut` (={self.cut!r}) must be far or near.")
        if self.without not in (None, "content", "positional"):
            raise ValueError(f"`without` (={self.without!r}) must be content or positional.")
        if isinstance(self.layers, str):  # whose letters would be the names
            raise ValueError(f"`layers` (={self.layers!r}) must be a tuple of names.")

    def cells(self, cell: float) -> int | None:
        """Whole cells, each of `cell` pixels, that the radius spans each way; None without one."""
        return None if self.radius is None else int(self.radius / cell)


def limited(model: ResNet, limits: Limits) -> ResNet:
    """The network under limits; it shares its weights with `model`, which stays as it is.

    Raises:
        ValueError: if the network lacks a layer, or any, or a layer has no branch but the one
            switched off.
            Recording a network whose near weights are cut raises it too: it has no maps.
    """
    changed = shadow(unwrapped(model))
    modules = changed.gsa_layers()
    if not modules and limits != Limits():
        raise ValueError("the network has no GSA layer that could be limited.")
    for name in limits.layers:
        if name not in modules:
            known = ", ".join(modules) or "none: the network has no GSA layer"
            raise ValueError(f"there is no layer {name!r}; layers are {known}.")
    for name in limits.layers or modules:
        module = modules[name]
        cells = limits.cells(changed.config.input_size / module.size[0])
        if limits.cut == "far":
            module.reach = cells
        else:
            module.gap = cells
        if limits.without == "content":
            module.to_k = None
        if limits.without == "positional":
            module.has_column = module.has_row = False
        if module.to_k is None and not (module.has_column or module.has_row):
            raise ValueError(f"layer {name} has no branch but the {limits.without} branch.")
    return changed


def probabilities(model: ResNet, x: Tensor, temperature: float) -> Array:
    """Calibrated class probabilities (b, classes) of pictures (b, 3, rows, columns).

    Raises:
        ValueError: if `x` has another shape, the network is in training mode, or `temperature` is
            not a finite number above 0.
    """
    check_eval(model)
    check_temperature(temperature)
    with torch.inference_mode():
        logits = [model(model.prepared(part)) for part in x.split(16)]
        return (torch.cat(logits) / temperature).softmax(dim=1).double().cpu().numpy()


def by_radius(checkpoint: Checkpoint, x: Tensor, radii: Sequence[float], cut: Cut = "far") -> Array:
    """Class probabilities while every GSA layer is cut at each radius.

    Args:
        checkpoint: a network with GSA layers.
        x: one picture (1, 3, rows, columns).
        radii: in pixels of the network input.
        cut: which weights.

    Returns:
        (radii, classes).

    Raises:
        ValueError: if `x` is not one picture, or there is no radius or a negative one.
    """
    x = checkpoint.model.prepared(x, single=True)
    if not len(radii):
        raise ValueError("`radii` must name at least one radius.")
    models = (limited(checkpoint.model, Limits(radius, cut)) for radius in radii)
    temperature = checkpoint.card.temperature
    return np.concatenate([probabilities(model, x, temperature) for model in models])
