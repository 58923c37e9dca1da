"""The 1x1 convolution of both twins, taken by the fastest of torch's ways on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gsa import fast

# Of all pictures together, up to which a product is the faster way.
_FEW_PIXELS = {torch.float32: 128, torch.bfloat16: 256}


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without padding or bias; weights and results are those of `nn.Conv2d`.

    On a CPU there are choices; what they are worth is in `benchmarks/tried.md`:

    - oneDNN, which takes torch's convolutions, puts weights in another order each time. Over few
      pixels (of all pictures together) that takes longer than the convolution, and a product of
      pixels and weights does not.
    - For one thread and fewer than 16 pictures torch takes a 1x1 convolution in single precision by
      another way than oneDNN, unless it is dilated. Dilation spreads the cells of a kernel, and a
      kernel of one cell has nothing to spread: asking for it changes nothing but this choice,
      forward and backward.

    Shape: (b, in_channels, y, x) to (b, out_channels, ceil(y / stride), ceil(x / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve; double precision and other devices have one way."""
        looked_on = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        if input.is_cpu and not looked_on and self._few(input):
            y, x = self.stride
            taken = input if y == x == 1 else input[:, :, ::y, ::x]
            cells = taken.permute(0, 2, 3, 1)  # (b, y, x, in_channels)
            out = F.linear(cells, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
            pixelwise = input.is_contiguous(memory_format=torch.channels_last)
            return out if pixelwise else out.contiguous()  # in the layout that it came in
        dilation = 2 if input.is_cpu and input.dtype == torch.float32 else 1
        return F.conv2d(input, self.weight, self.bias, self.stride, dilation=dilation)

    def _few(self, input: Tensor) -> bool:
        """Whether a product is the faster way, and these are pictures with these channels."""
        if input.dim() != 4 or input.shape[1] != self.in_channels or input.is_mkldnn:
            return False
        (b, _, rows, columns), (y, x) = input.shape, self.stride
        pixels = b * -(-rows // y) * -(-columns // x)
        return 0 < pixels <= _FEW_PIXELS.get(fast.step_dtype(input), 0)
