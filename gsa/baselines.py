"""What every map must be compared with: untrained networks, a picture's edges and its middle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from gsa.card import Card
from gsa.checkpoints import Checkpoint
from gsa.record import Array
from gsa.resnet import ResNet

CONTROLS = ("edges", "middle")  # maps that know no network, and what an attribution must beat


def untrained(card: Card, seed: int = 0) -> Checkpoint:
    """The network of a card with weights as training starts them.

    The batch norms hold the statistics of random smooth pictures drawn by `seed`; with their
    start values (mean 0, variance 1) the activations of an untrained network explode.
    """
    model = ResNet(card.network, seed=seed)
    take_statistics(model, _smooth_pictures(card.network.input_size, seed))
    return _without_claims(model, card, f"{card.name} untrained, seed {seed}")


def shuffled(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """A trained network with the entries of each weight matrix shuffled.

    Every layer keeps the distribution of its weights and loses what they learned. The statistics
    of the batch norms are taken anew, as in `untrained`.
    """
    model = ResNet(checkpoint.card.network, seed=0)
    model.load_state_dict(checkpoint.model.state_dict())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    take_statistics(model, _smooth_pictures(model.config.input_size, seed))
    name = f"{checkpoint.card.name} shuffled, seed {seed}"
    return _without_claims(model, checkpoint.card, name)


def _without_claims(model: ResNet, card: Card, name: str) -> Checkpoint:
    blank = replace(card, name=name, results={}, training={}, sha256="")
    return Checkpoint(model.eval().requires_grad_(False), blank)


def _smooth_pictures(side: int, seed: int) -> Tensor:
    """(16, 3, side, side) random pictures, smooth with some grain."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(16, 3, 8, 8, generator=generator)
    fine = torch.randn(16, 3, side, side, generator=generator)
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return smooth + 0.3 * fine


def take_statistics(model: ResNet, pictures: Tensor) -> None:
    """Give every batch norm the statistics of one batch, as it has them in a step of training.

    Args:
        model: changed in place, and in eval mode afterwards.
        pictures: (n, 3, rows, columns), normalised.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # take over the statistics of this one batch
    with torch.no_grad():
        model.train()(pictures)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def nearness(rows: int, columns: int) -> Array:
    """How near each pixel is to the middle, (rows, columns), from 0 in the corners to 1.

    Things are mostly photographed in the middle: a map that does no better may have found that
    and nothing else.
    """
    row, column = np.ogrid[:rows, :columns]
    away = np.hypot(row - (rows - 1) / 2, column - (columns - 1) / 2)
    return 1 - away / max(float(away.max()), 1.0)


def edge_map(brightness: Array) -> Array:
    """Size of the gradient of a picture's brightness, (rows, columns) to the same, never negative.

    A map that agrees with it may have found edges and nothing else.

    Raises:
        ValueError: if `brightness` is not (rows, columns).
    """
    if brightness.ndim != 2:
        raise ValueError(f"`brightness` has shape {brightness.shape}; it must be (rows, columns).")
    down, across = (  # along an axis of one pixel there are no edges
        np.gradient(brightness, axis=axis) if size > 1 else np.zeros(brightness.shape)
        for axis, size in enumerate(brightness.shape)
    )
    return np.hypot(down, across)
