"""Convolutions for inference on a CPU, with weights that are in oneDNN's own order already.

oneDNN, which takes torch's convolutions, puts the weights in another order at each call; over a few
pixels that takes longer than the convolution. `torch.compile` does the same for a frozen network,
by the same operators of torch.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gsa import fast, kernel_checks
from gsa.pointwise import PointwiseConv2d


class _Pack(NamedTuple):
    weight: Tensor  # in oneDNN's order
    bias: Tensor | None
    of: tuple[object, ...]  # what it was made of


class _Packed(nn.Conv2d):
    """What a convolution does before its own `forward`."""

    _pack: _Pack | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Convolve, by packed weights where no gradient is asked for."""
        if not self._packs(input) or not _works(fast.step_dtype(input)):
            return super().forward(input)
        given = input.to(fast.step_dtype(input))
        pack = self._packed(given)
        return _convolve(given, pack.weight, pack.bias, self)

    def _packs(self, input: Tensor) -> bool:
        learns = torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad)
        return (
            type(input) is Tensor
            and input.dim() == 4
            and input.numel() > 0
            and input.shape[1] == self.in_channels
            and self.weight.device.type == "cpu"
            and not self.weight.is_inference()  # nobody could tell whether it was changed
            and not learns
            and fast.pays(input)
        )

    def _packed(self, input: Tensor) -> _Pack:
        """Made when they are first wanted, and again after a change of the weights."""
        state = [(each.data_ptr(), each._version) for each in self.parameters()]
        of = (input.dtype, *state)
        pack = self._pack
        if pack is None or pack.of != of:
            bias = None if self.bias is None else self.bias.detach().to(input.dtype)
            pack = self._pack = _Pack(_reordered(self, input), bias, of)
        return pack

    def __getstate__(self) -> dict[str, Any]:  # torch cannot copy or save what is packed
        return {name: value for name, value in self.__dict__.items() if name != "_pack"}


class PackedConv2d(_Packed):
    """`nn.Conv2d` for inference: the same function, faster where weights are many for the pixels.

    Weights in oneDNN's order are kept beside the plain ones, which takes as much memory again. They
    follow a change of the plain ones that torch counts: one through `.data` it does not.
    """


class PackedPointwiseConv2d(_Packed, PointwiseConv2d):
    """`PointwiseConv2d`, likewise."""


_KINDS: dict[type[nn.Conv2d], type[_Packed]] = {
    nn.Conv2d: PackedConv2d,
    PointwiseConv2d: PackedPointwiseConv2d,
}


def packed(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same convolution, with the same parameters, for inference.

    Args:
        convolution: an `nn.Conv2d` or `PointwiseConv2d`; any other kind is returned as it is.
    """
    kind = _KINDS.get(type(convolution))
    if kind is None:
        return convolution
    made = kind.__new__(kind)
    made.__setstate__(convolution.__getstate__())
    return made


def _reordered(convolution: nn.Conv2d, input: Tensor) -> Tensor:
    weight = convolution.weight.detach().to(input.dtype).to_mkldnn()
    return torch.ops.aten.mkldnn_reorder_conv2d_weight(
        weight,
        convolution.padding,
        convolution.stride,
        convolution.dilation,
        convolution.groups,
        input.shape,
    )


def _convolve(input: Tensor, weight: Tensor, bias: Tensor | None, like: nn.Conv2d) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(
        input, weight, bias, like.padding, like.stride, like.dilation, like.groups, "none", [], ""
    )


@cache
def _works(dtype: torch.dtype) -> bool:
    """Whether torch has these operators for a type, and they convolve."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    device = torch.device("cpu")
    return kernel_checks.trusted("oneDNN", "convolutions", device, dtype, lambda: _error(dtype))


def _error(dtype: torch.dtype) -> float:
    """Of a strided convolution, relative to the largest value."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        like = nn.Conv2d(5, 7, 3, stride=2, padding=1, device="cpu")
        x = kernel_checks.noise(2, 5, 9, 8)
        weight, bias = kernel_checks.noise(7, 5, 3, 3, seed=1), kernel_checks.noise(7, seed=2)
        like.weight.copy_(weight)
        given = x.to(dtype)
        found = _convolve(given, _reordered(like, given), bias.to(dtype), like)
        wanted = F.conv2d(x.double(), weight.double(), bias.double(), 2, 1)
        return float((wanted - found).abs().max() / wanted.abs().max())
