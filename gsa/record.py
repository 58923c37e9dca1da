"""One forward pass, giving the logits and what every GSA layer computed on the way.

The recorder travels through `forward` as an argument. There is no hook, no shared state and no
change of mode, so any number of threads can record on one shared model. The logits are those of a
plain forward pass in inference mode: on a CPU bit for bit, on a GPU up to rounding, since a pass
that nothing records takes its content branches in another way there (`gsa.triton_content`). A pass
with gradients goes step by step, which differs by rounding (`gsa.native_module`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gsa.attention import GlobalSelfAttention
from gsa.preprocess import Grid
from gsa.resnet import ResNet, within

Array = NDArray[np.floating]


class _ReadOnly:
    """Pickled and copied, arrays and mappings among the fields stay read-only."""

    def __getstate__(self) -> dict[str, Any]:
        # the view that keeps a mapping from being written has no pickle
        return {
            key: dict(value) if isinstance(value, Mapping) else value
            for key, value in vars(self).items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            self.__dict__[key] = MappingProxyType(value) if isinstance(value, dict) else value


@dataclass(frozen=True, eq=False, repr=False)
class LayerRecord(_ReadOnly):
    """What one GSA layer computed for one picture: read-only arrays, float32 or float64.

    Axes: h head, d key channel of a head, e value channel of a head, y row, x column. A field is
    None where the layer lacks that branch or step.
    """

    name: str  # stage.block, both from 1; of `gsa.record_modules` the module's path
    q: Array  # queries (h, d, y, x)
    v: Array  # values (h, e, y, x)
    output: Array  # content + positional (h, e, y, x)
    rho: Array | None = None  # keys after the softmax over pixels (h, d, y, x)
    content: Array | None = None  # output of the content branch (h, e, y, x)
    positional: Array | None = None  # output of the positional branch (h, e, y, x)
    r_c: Array | None = None  # relative embeddings of the column step (2y - 1, d)
    r_r: Array | None = None  # relative embeddings of the row step (2x - 1, d)
    gain: Array | None = None  # of the batch norm between the steps (h, e)
    offset: Array | None = None  # of the batch norm between the steps (h, e)
    q_constant: Array | None = None  # what a norm adds to every query, as part of `q` (h, d)
    reach: int | None = None  # cells along either axis beyond which weights are cut; None: no cut
    stride: int = 1  # of the pooling that follows the layer

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.q.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the layer's grid."""
        return self.q.shape[2], self.q.shape[3]

    @property
    def pooled_shape(self) -> tuple[int, int]:
        """(rows, columns) of the grid after the pooling that follows the layer."""
        rows, columns = self.shape
        return math.ceil(rows / self.stride), math.ceil(columns / self.stride)

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"LayerRecord({self.name!r}, {self.heads} heads, {rows} x {columns} cells)"

    def near(self) -> tuple[Array, Array]:
        """Which row reads which, (y, i), and which column, (x, j): 1 within `reach`, else 0."""
        rows, columns = (np.abs(np.subtract.outer(at, at)) for at in map(np.arange, self.shape))
        reach = max(self.shape) if self.reach is None else self.reach
        return (rows <= reach).astype(self.q.dtype), (columns <= reach).astype(self.q.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class Recording(_ReadOnly):
    """Logits and layer records of one picture."""

    logits: Array  # (classes,)
    layers: Mapping[str, LayerRecord]  # in the order the data passes them; empty for a conv net
    height: int  # of the network input, in pixels
    width: int

    def __repr__(self) -> str:
        layers = ", ".join(self.layers) or "none"
        return f"Recording({self.height} x {self.width} pixels; GSA layers: {layers})"

    def grid(self, layer: str) -> Grid:
        """The geometry of a layer's cells over the network input."""
        return Grid(*self[layer].shape, height=self.height, width=self.width)

    def __getitem__(self, layer: str) -> LayerRecord:
        """A layer by name; ValueError if there is none of that name."""
        if layer not in self.layers:
            known = ", ".join(self.layers) or "none: the network has no GSA layer"
            raise ValueError(f"there is no layer {layer!r}; layers are {known}.")
        return self.layers[layer]

    def probabilities(self, temperature: float = 1.0) -> Array:
        """Softmax of the logits, (classes,), after division by a calibration temperature.

        Raises:
            ValueError: if `temperature` is not a finite number above 0.
        """
        check_temperature(temperature)
        shifted = (self.logits - self.logits.max()).astype(np.float64) / temperature
        return np.exp(shifted) / np.exp(shifted).sum()


def check_temperature(temperature: float) -> None:
    """ValueError for what no logits can be divided by to be calibrated."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"`temperature` (={temperature}) must be a finite number above 0.")


class Collector:
    """Takes the tensors of each layer as forward passes it; belongs to one forward pass.

    Args:
        modules: GSA modules by the name that they are recorded under.
        strides: of the pooling that follows each; 1 where it has none.
    """

    def __init__(
        self, modules: Mapping[str, GlobalSelfAttention], strides: Mapping[str, int] | None = None
    ) -> None:
        self.modules, self.strides = modules, strides or {}
        self.layers: dict[str, LayerRecord] = {}

    def layer(self, name: str, **tensors: Tensor) -> None:
        """Keep the named tensors of one layer, of the first picture of the batch."""
        batched = {"q", "v", "output", "rho", "content", "positional"}
        arrays = {
            key: frozen(tensor[0] if key in batched else tensor)
            for key, tensor in tensors.items()
            if key in _RECORDED
        }
        module, stride = self.modules[name], self.strides.get(name, 1)
        bias = getattr(module.q_norm, "bias", None)
        if bias is not None:
            arrays["q_constant"] = frozen(bias.unflatten(0, (module.heads, -1)))
        self.layers[name] = LayerRecord(name=name, reach=module.reach, stride=stride, **arrays)


_RECORDED = {field.name for field in fields(LayerRecord)}


def unwrapped(model: nn.Module) -> ResNet:
    """The network in a wrapper of torch, such as a compiled one; ValueError if it holds none."""
    inner = within(model)
    if not isinstance(inner, ResNet):
        raise ValueError(f"`model` is a {type(model).__name__}; it must be a ResNet of `gsa`.")
    return inner


def check_eval(network: nn.Module) -> None:
    """ValueError if a module of a network is in training mode: one batch norm spoils all maps."""
    if any(module.training for module in network.modules()):
        raise ValueError("the model must be in eval mode; call model.eval() first.")


def exact(x: Tensor) -> torch.autocast:
    """A context in which nothing is rounded to less than the precision of `x`."""
    return torch.autocast(x.device.type, enabled=False)


def frozen(tensor: Tensor) -> Array:
    """A read-only copy on the CPU; half precision becomes float32."""
    dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    array = tensor.detach().to("cpu", dtype, copy=True).contiguous().numpy()
    array.flags.writeable = False
    return array


def record(model: ResNet, x: Tensor) -> Recording:
    """Run one picture through a network and keep what its GSA layers computed.

    It is computed in the precision of the weights: `torch.autocast` around it has no effect, since
    it would round each step by itself, and the maps would miss the output by that. Of a network in
    `torch.compile` or `nn.DataParallel` the network itself is recorded, on its own device, as it is
    without them.

    Args:
        model: in eval mode (the maps hold for the running statistics of its batch norms).
        x: (1, 3, rows, columns), from `Preprocess.tensor`; moved to the model's device and dtype.

    Raises:
        ValueError: if `model` is no network of this project or in training mode, or `x` is not one
            picture.
    """
    model = unwrapped(model)
    check_eval(model)
    if not isinstance(x, Tensor):
        raise ValueError(f"`x` is a {type(x).__name__}; it must be a tensor of torch.")
    x = model.prepared(x, single=True)
    strides = {name: block.stride for name, block in model.blocks().items()}
    collector = Collector(model.gsa_layers(), strides)
    with torch.inference_mode(), exact(x):
        logits = model(x, collector)
    layers = MappingProxyType(collector.layers)
    return Recording(frozen(logits[0]), layers, height=x.shape[2], width=x.shape[3])
