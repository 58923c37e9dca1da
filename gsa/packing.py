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
    # What it was made of. Held fast, so that nothing else comes to lie at the same address.
    sources: tuple[Tensor, ...]
    versions: tuple[int, ...]

    def is_of(self, parameters: tuple[Tensor, ...]) -> bool:
        return len(parameters) == len(self.sources) and all(
            (now.data_ptr(), now._version) == (then.data_ptr(), version)
            for now, then, version in zip(parameters, self.sources, self.versions, strict=True)
        )


class _Packed(nn.Conv2d):
    """What a convolution does before its own `forward`."""

    _packs: dict[torch.dtype, _Pack]

    def forward(self, input: Tensor) -> Tensor:
        """Convolve, by packed weights inside `torch.inference_mode`, which rules gradients out."""
        if not self._takes(input) or not _works(fast.step_dtype(input)):
            return super().forward(input)
        given = input.to(fast.step_dtype(input))
        pack = self._pack(given)
        return _convolve(given, pack.weight, pack.bias, self)

    def _takes(self, input: Tensor) -> bool:
        """Whether packed weights do for this input what the plain ones would."""
        if not fast.pays(input) or not torch.is_inference_mode_enabled():
            return False
        cast = torch.is_autocast_enabled("cpu") and input.is_floating_point()
        return (
            not self.training
            and not torch.jit.is_tracing()
            and bool(torch.backends.mkldnn.enabled)
            and self._has_parameters()
            and type(input) is Tensor
            and input.layout == torch.strided
            and input.dim() == 4
            and input.numel() > 0
            and input.shape[1] == self.in_channels
            and (cast or input.dtype == self.weight.dtype)
        )

    def _has_parameters(self) -> bool:
        """Whether weights are what they look like, and torch counts their changes."""
        own = self._parameters  # has no weight that pruning or a parametrization makes anew
        return own.get("weight") is not None and all(
            each is None
            or (
                type(each) is nn.Parameter and each.device.type == "cpu" and not each.is_inference()
            )
            for each in own.values()
        )

    def _pack(self, input: Tensor) -> _Pack:
        """Made when it is first wanted in a type, and again after a change of the weights."""
        own = tuple(self.parameters(recurse=False))
        pack = self._packs.get(input.dtype)
        if pack is None or not pack.is_of(own):
            sources = tuple(each.detach() for each in own)
            bias = None if self.bias is None else self.bias.detach().to(input.dtype)
            versions = tuple(each._version for each in own)
            pack = _Pack(_reordered(self, input), bias, sources, versions)
            self._packs[input.dtype] = pack
        return pack

    def __getstate__(self) -> dict[str, Any]:  # torch cannot copy or save what is packed
        return {**self.__dict__, "_packs": {}}


class PackedConv2d(_Packed):
    """`nn.Conv2d` for inference: the same function, faster where weights are many for the pixels.

    Weights in oneDNN's order are kept beside the plain ones, which takes as much memory again for
    each type of the data. They are made anew after a change of the plain ones that torch counts; it
    does not count changes through `.data`, nor those of fused optimizers.
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
        convolution: an `nn.Conv2d` or `PointwiseConv2d` with padding of zeros, whose width is given
            in cells; any other is returned as it is.
    """
    kind = _KINDS.get(type(convolution))
    if kind is None or convolution.padding_mode != "zeros" or isinstance(convolution.padding, str):
        return convolution
    made = kind.__new__(kind)
    state = convolution.__dict__.items()  # names of parameters and hooks are in dictionaries
    own = {name: value.copy() if isinstance(value, dict) else value for name, value in state}
    made.__dict__.update(own, _packs={})
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
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        like = nn.Conv2d(5, 7, 3, stride=2, padding=1, device="meta")  # draws no random numbers
        x = kernel_checks.noise(2, 5, 9, 8)
        weight, bias = kernel_checks.noise(7, 5, 3, 3, seed=1), kernel_checks.noise(7, seed=2)
        like.weight = nn.Parameter(weight)
        given = x.to(dtype)
        found = _convolve(given, _reordered(like, given), bias.to(dtype), like)
        wanted = F.conv2d(x.double(), weight.double(), bias.double(), 2, 1)
        return kernel_checks.largest_error([wanted], [found])
