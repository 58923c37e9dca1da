"""The 1x1 convolution of both twins, taken by the faster of torch's two CPU implementations."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without padding or bias; weights and results are those of `nn.Conv2d`.

    For one thread and fewer than 16 pictures torch takes a 1x1 convolution as a plain matrix
    product instead of by oneDNN, unless it is dilated. Dilation spreads the cells of a kernel, and
    a kernel of one cell has nothing to spread: asking for it changes nothing but this choice,
    forward and backward. `python -m gsa bench` has the ratio.

    Shape: (b, in_channels, y, x) to (b, out_channels, ceil(y / stride), ceil(x / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve; oneDNN is for CPUs and has no double precision."""
        by_onednn = input.device.type == "cpu" and input.dtype == torch.float32
        dilation = 2 if by_onednn else 1
        return F.conv2d(input, self.weight, self.bias, self.stride, dilation=dilation)
