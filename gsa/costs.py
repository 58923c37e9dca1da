"""What a network costs: parameters and operations, counted and not estimated."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gsa.config import NetworkConfig
from gsa.resnet import ResNet


@cache
def parameters(config: NetworkConfig) -> int:
    """Number of trainable parameters."""
    with torch.device("meta"):
        return sum(p.numel() for p in ResNet(config).parameters())


@cache
def flops(config: NetworkConfig, size: int | None = None) -> int:
    """Operations of one forward pass on one picture, 2 for each multiply-add.

    Counted by `torch.utils.flop_counter` on tensors without data: convolutions and matrix
    products; softmax, batch norm and additions are not in it.

    Args:
        size: side of the input in pixels; by default the size the network is trained for.
    """
    side = size or config.input_size
    with torch.device("meta"):
        model = ResNet(config).eval()
    return forward_flops(model, (1, 3, side, side))


def forward_flops(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Operations of a forward pass of a model that lies on the meta device; as in `flops`."""
    return counted(lambda: model(torch.empty(shape, device="meta")))


def counted(work: Callable[[], object]) -> int:
    """Operations of a piece of work, 2 for each multiply-add; counted as in `flops`."""
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return counter.get_total_flops()
