"""The effective receptive field (Luo et al. 2016, arXiv 1701.04128): which pixels really matter.

It is the size of the gradient of a unit with respect to the input. Here a *unit* is one place of a
block's output, summed over its channels (after the block's ReLU); the gradient's absolute values
are summed over the colours and averaged over pictures; the scale is linear throughout. All
pictures go through one forward pass, and each layer takes one backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsa import ranges
from gsa.files import json_ready
from gsa.preprocess import Grid
from gsa.receptive_field import TheoreticalField, field_of, nearest_unit
from gsa.record import Array, check_eval, exact, unwrapped
from gsa.resnet import ResNet, first_grid

UNIT = "sum over the channels of the block's output, after its ReLU"
GRADIENT = "absolute value, summed over the colours, mean over the pictures"
SCALE = "linear"
_PARTS = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Spread:
    """How far a field spreads, in pixels of the input round the unit's centre.

    A field without any gradient has NaN everywhere.
    """

    mean_distance: float
    radius_50: float  # of the smallest circle with this per cent of the mass
    radius_90: float
    radius_99: float
    area_50: float  # of the smallest square round the centre with it, as a share of the picture
    area_90: float
    area_99: float
    above_1_percent: float  # share of the picture's pixels with more than 1 % of the peak
    sigma: float  # of the round Gaussian with the least squares; NaN where it exceeds the picture
    gaussian_r2: float  # share of the field's sum of squares that the Gaussian explains, up to 1

    def to_dict(self) -> dict[str, float | None]:
        """The fields as JSON-ready values; a figure that does not exist becomes None."""
        return json_ready(asdict(self))


@dataclass(frozen=True, eq=False)
class Field:
    """Theoretical and effective receptive field of one unit."""

    layer: str
    unit: tuple[int, int]  # (row, column) in the layer's grid
    grid: tuple[int, int]  # rows and columns of it
    pictures: int  # that the gradient is averaged over
    map: Array  # (rows, columns) of the input, not negative, float32
    theoretical: TheoreticalField
    spread: Spread

    def to_dict(self) -> dict[str, Any]:
        """Everything but the map, JSON-ready."""
        theory = self.theoretical
        return {
            "layer": self.layer,
            "unit": list(self.unit),
            "grid": list(self.grid),
            "centre": list(theory.centre),
            "theoretical": {
                "whole": theory.whole,
                "side": list(theory.side),
                "box": list(theory.box),
                "why": theory.why,
            },
            "effective": self.spread.to_dict(),
        }


def fields(
    model: ResNet, x: Tensor, place: tuple[float, float], layers: list[str] | None = None
) -> Iterator[Field]:
    """The receptive fields of the units nearest to a place, one layer at a time, first to last.

    To cancel, stop iterating: nothing is computed ahead but the one forward pass. It is computed
    in the precision of the weights, as `gsa.record` is.

    Args:
        model: in eval mode; its parameters should be frozen, which saves time.
        x: pictures (b, 3, rows, columns), normalised; moved to the model's device and type.
        place: (row, column) in pixels of the input.
        layers: which (`stage.block`); all by default.

    Raises:
        ValueError: if the model is in training mode, there is no picture or no such layer, or the
            place lies outside.
    """
    model = unwrapped(model)
    check_eval(model)
    x = model.prepared(x)
    size = (x.shape[2], x.shape[3])
    Grid(*size, *size).cell_at(*place)  # which refuses one outside
    unknown = sorted(set(layers or ()) - set(model.blocks()))
    if unknown:
        known = ", ".join(model.blocks())
        raise ValueError(f"there is no layer {unknown[0]!r}; layers are {known}.")
    x = x.detach().requires_grad_(True)
    with torch.enable_grad(), exact(x):
        outputs = dict(model.block_outputs(x))
    for name, output in outputs.items():
        if layers is not None and name not in layers:
            continue
        grid = (output.shape[2], output.shape[3])
        unit = nearest_unit(model, name, grid, place)
        yield _field(model, name, unit, x, output)


def field_through(network: nn.Module, x: Tensor, unit: tuple[int, int]) -> Field:
    """The receptive field of a unit of the output of a plain sequence of modules.

    Raises:
        ValueError: if a module is in training mode, there is no such unit, or a module's field is
            not known.
    """
    check_eval(network)
    field_of(network, None, unit, (x.shape[2], x.shape[3]))  # which knows what units there are
    x = x.detach().requires_grad_(True)
    with torch.enable_grad(), exact(x):
        output = network(x)
    return _field(network, None, unit, x, output)


def _field(
    network: nn.Module, layer: str | None, unit: tuple[int, int], x: Tensor, output: Tensor
) -> Field:
    # pictures do not meet in eval mode, so the gradient of the sum over them holds each one's own
    with torch.enable_grad(), exact(x):
        value = output[:, :, unit[0], unit[1]].sum()
        (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
    weights = gradient.abs().sum(1).mean(0).to("cpu", torch.float32).numpy()
    weights.flags.writeable = False
    picture = (x.shape[2], x.shape[3])
    theory = field_of(network, layer, unit, picture)
    return Field(
        layer=layer or "",
        unit=unit,
        grid=(output.shape[2], output.shape[3]),
        pictures=len(x),
        map=weights,
        theoretical=theory,
        spread=spread(weights, theory.centre),
    )


def spread(weights: Array, centre: tuple[float, float]) -> Spread:
    """How far a field spreads.

    Args:
        weights: (rows, columns), not negative.
        centre: (row, column) in pixels that distances are taken from.
    """
    mass = weights.astype(np.float64)
    total = mass.sum()
    if not 0 < total < np.inf:
        return Spread(*[math.nan] * len(fields_of(Spread)))
    rows = np.abs(np.arange(mass.shape[0]) + 0.5 - centre[0])[:, None]
    columns = np.abs(np.arange(mass.shape[1]) + 0.5 - centre[1])[None, :]
    distance, square = np.hypot(rows, columns), np.maximum(rows, columns)
    share = mass / total
    areas = [float((square <= half).mean()) for half in ranges.radii(share, square, _PARTS)]
    sigma, explained = _gaussian(mass, distance)
    radius_50, radius_90, radius_99 = ranges.radii(share, distance, _PARTS)
    return Spread(
        mean_distance=float((share * distance).sum()),
        radius_50=radius_50,
        radius_90=radius_90,
        radius_99=radius_99,
        area_50=areas[0],
        area_90=areas[1],
        area_99=areas[2],
        above_1_percent=float((mass > 0.01 * mass.max()).mean()),
        sigma=sigma,
        gaussian_r2=explained,
    )


def even_spread(field: Field) -> Spread:
    """How far a field would spread round the same centre if all pixels counted alike."""
    return spread(np.ones_like(field.map), field.theoretical.centre)


def _gaussian(mass: Array, distance: Array) -> tuple[float, float]:
    """σ of the least-squares fit of A exp(-distance² / 2σ²), and the share of squares explained.

    For a given σ the best A is known, so a fine search over σ alone is exact enough (1 %).
    """
    energy = float((mass**2).sum())
    sigmas = np.geomspace(0.3, max(mass.shape), 1 + round(np.log(max(mass.shape) / 0.3) / 0.01))
    # pixels at one distance act alike, so the search runs over the distances that occur
    squared, at = np.unique(np.round(distance**2, 6), return_inverse=True)
    summed = np.bincount(at.ravel(), weights=mass.ravel())
    count = np.bincount(at.ravel())
    shapes = np.exp(-squared[None, :] / (2 * sigmas[:, None] ** 2))  # (sigmas, distances)
    explained = (shapes @ summed) ** 2 / (shapes**2 @ count) / energy
    best = int(explained.argmax())
    sigma = float(sigmas[best]) if best < len(sigmas) - 1 else math.nan
    return sigma, float(explained[best])


def kernel_reach(model: ResNet, input_size: int) -> dict[str, tuple[float, float]]:
    """How far the convolutions of a conv network read, in pixels of a square input.

    Returns:
        By layer: the mean distance weighted by the kernel's |weights|, the measure that
        `gsa.ranges` takes of attention maps, and the distance of the farthest cell.
    """
    found = {}
    side = first_grid(input_size)
    for name, block in model.blocks().items():
        mixer = block.mixer
        if not isinstance(mixer, nn.Conv2d):
            side = side if isinstance(block.pool, nn.Identity) else -(-side // 2)
            continue
        cell = input_size / side
        size = mixer.weight.detach().abs().sum((0, 1)).double().cpu().numpy()
        rows, columns = (np.arange(n) - (n - 1) / 2 for n in size.shape)
        distance = np.hypot(rows[:, None], columns[None, :]) * cell
        found[name] = (float((size * distance).sum() / size.sum()), float(distance.max()))
        side = -(-side // mixer.stride[0])
    return found
