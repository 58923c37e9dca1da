"""What a network costs: parameters and operations, counted and not estimated."""

from __future__ import annotations

from functools import cache

import torch
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
        picture = torch.empty(1, 3, side, side)
    counter = FlopCounterMode(display=False)
    with counter:
        model(picture)
    return counter.get_total_flops()
