"""GSA-ResNet and its convolutional twin: one bottleneck ResNet whose mixer is a parameter.

The conv network is torchvision's ResNet (stride on the 3x3 convolution); `from_torchvision` maps
its weights. The GSA network replaces every 3x3 convolution by a `GlobalSelfAttention`; where the
ResNet strides, the module runs at the full size, and 2x2 average pooling follows it.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from torch import Tensor, nn

from gsa.attention import GlobalSelfAttention, Recorder
from gsa.config import NetworkConfig
from gsa.pointwise import PointwiseConv2d
from gsa.rng import seeded

M = TypeVar("M", bound=nn.Module)


class Bottleneck(nn.Module):
    """1x1 reduce, mixer, 1x1 expand, each with batch norm, around a residual connection."""

    def __init__(
        self, config: NetworkConfig, stage: int, in_channels: int, stride: int, size: int
    ) -> None:
        """`size` is the side of the (square) grid that enters the block at the trained size."""
        super().__init__()
        self.stride = stride
        width = config.widths[stage]
        out_channels = width * config.expansion
        self.reduce = PointwiseConv2d(in_channels, width)
        self.reduce_norm = nn.BatchNorm2d(width)
        self.mixer: nn.Module
        self.pool: nn.Module = nn.Identity()
        if config.mixers[stage] == "conv":
            self.mixer = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        else:
            self.mixer = GlobalSelfAttention(
                width,
                width,
                config.heads,
                (size, size),
                **config.module_options(),
            )
            if stride > 1:  # ceil: an odd side halves as a strided convolution halves it
                self.pool = nn.AvgPool2d(stride, ceil_mode=True)
        self.mixer_norm = nn.BatchNorm2d(width)
        self.expand = PointwiseConv2d(width, out_channels)
        self.expand_norm = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                PointwiseConv2d(in_channels, out_channels, stride=stride),
                nn.BatchNorm2d(out_channels),
            )
        self.relu = nn.ReLU(inplace=True)  # and the sum below, as in torchvision's ResNet

    def forward(self, x: Tensor, recorder: Recorder | None = None, name: str = "") -> Tensor:
        """(b, in_channels, y, x) to (b, width * expansion, ceil(y / stride), ceil(x / stride))."""
        out = self.relu(self.reduce_norm(self.reduce(x)))
        if isinstance(self.mixer, GlobalSelfAttention):
            out = self.pool(self.mixer(out, recorder, name))
        else:
            out = self.mixer(out)
        out = self.relu(self.mixer_norm(out))
        out = self.expand_norm(self.expand(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    """The network of a `NetworkConfig`: 7x7 stem, max-pool, stages of bottlenecks, linear head.

    Args:
        config: what to build.
        seed: where given, the weights depend on it alone; the global random state is kept.

    Shape: (b, 3, rows, columns) of any size from 1x1 up, to logits (b, num_classes).
    """

    def __init__(self, config: NetworkConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config
        with seeded(seed):
            self._build()
            if not self.stem.weight.is_meta:  # where it takes torch long to draw none
                self._initialise()

    def _build(self) -> None:
        config = self.config
        self.stem = nn.Conv2d(3, config.stem_width, 7, stride=2, padding=3, bias=False)
        self.stem_norm = nn.BatchNorm2d(config.stem_width)
        self.relu = nn.ReLU(inplace=True)
        self.max_pool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = config.stem_width
        size = first_grid(config.input_size)
        self.stages = nn.ModuleList()
        for stage, depth in enumerate(config.blocks):
            blocks = nn.ModuleList()
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(config, stage, channels, stride, size))
                channels = config.widths[stage] * config.expansion
                size = math.ceil(size / stride)
            self.stages.append(blocks)
        self.head = nn.Linear(channels, config.num_classes)

    def _initialise(self) -> None:
        """He initialisation of the convolutions, as torchvision's ResNet; the rest keeps its own.

        The three projections of a GSA module start with unit gain (fan-in), since no ReLU follows
        them: queries, keys and values then have the variance of the module's input.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for module in self.modules():
            if isinstance(module, GlobalSelfAttention):
                for projection in (module.to_q, module.to_k, module.to_v):
                    if projection is not None:
                        nn.init.kaiming_normal_(projection.weight, nonlinearity="linear")

    def prepared(self, x: Tensor, *, single: bool = False) -> Tensor:
        """Pictures (b, 3, rows, columns) on the device and in the precision of the weights.

        Raises:
            ValueError: if `x` has another shape, no pixel, whole numbers or such as are not
                finite, or is not one picture though `single`.
        """
        if not x.is_floating_point():
            raise ValueError(
                f"`x` is of {x.dtype}; it must hold normalised numbers, as `Preprocess.tensor` "
                "makes them."
            )
        if x.ndim != 4 or x.shape[1] != 3 or x.numel() == 0 or (single and len(x) != 1):
            wanted = f"({1 if single else 'b'}, 3, rows, columns)"
            raise ValueError(f"`x` has shape {tuple(x.shape)}; it must be {wanted}.")
        if not x.isfinite().all():
            raise ValueError("`x` holds NaN or infinity; pictures are finite numbers.")
        return x.to(self.head.weight.device, self.head.weight.dtype)

    def check_target(self, target: int) -> None:
        """ValueError if there is no such class, or it is no whole number."""
        try:
            operator.index(target)  # also those of numpy
        except TypeError:
            raise ValueError(f"`target` (={target!r}) must be the number of a class.") from None
        if not 0 <= target < self.config.num_classes:
            last = self.config.num_classes - 1
            raise ValueError(f"`target` (={target}) must be from 0 to {last}.")

    def forward(self, x: Tensor, recorder: Recorder | None = None) -> Tensor:
        """Logits (b, num_classes); each GSA layer hands its tensors to `recorder` if given."""
        return self.head(self.features(x, recorder).mean(dim=(-2, -1)))

    def features(self, x: Tensor, recorder: Recorder | None = None) -> Tensor:
        """The last feature map (b, channels, y, x), before global average pooling."""
        for _, output in self.block_outputs(x, recorder):
            x = output
        return x

    def block_outputs(
        self, x: Tensor, recorder: Recorder | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Layer name and output (b, channels, y, x) of every block, each when it is computed."""
        x = self.max_pool(self.relu(self.stem_norm(self.stem(x))))
        for name, block in self.blocks().items():
            x = block(x, recorder, name)
            yield name, x

    def blocks(self) -> dict[str, Bottleneck]:
        """The blocks by layer name, in the order the data passes them."""
        found = {}
        for stage, blocks in enumerate(self.stages, start=1):
            assert isinstance(blocks, nn.ModuleList)
            for number, block in enumerate(blocks, start=1):
                assert isinstance(block, Bottleneck)
                found[layer_name(stage, number)] = block
        return found

    def gsa_layers(self) -> dict[str, GlobalSelfAttention]:
        """The GSA modules by layer name, in the order the data passes them."""
        return {
            name: block.mixer
            for name, block in self.blocks().items()
            if isinstance(block.mixer, GlobalSelfAttention)
        }


def layer_name(stage: int, block: int) -> str:
    """`3.2` for the second block of the third stage; both count from 1."""
    return f"{stage}.{block}"


def first_grid(size: int) -> int:
    """Cells along a side of the first stage: the stem and the pooling after it halve twice."""
    return math.ceil(size / 4)


def within(network: nn.Module) -> nn.Module:
    """What a wrapper of torch holds, such as that of `torch.compile`; others are what they are."""
    while True:
        if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            network = network.module
        elif isinstance(held := getattr(network, "_orig_mod", None), nn.Module):
            network = held
        else:
            return network


def shadow(model: M) -> M:
    """The same network for one caller alone: modules are copied, parameters and buffers shared."""
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


_FROM_TORCHVISION = {
    "conv1": "reduce",
    "bn1": "reduce_norm",
    "conv2": "mixer",
    "bn2": "mixer_norm",
    "conv3": "expand",
    "bn3": "expand_norm",
    "downsample": "shortcut",
}


def from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a torchvision bottleneck ResNet under the names of the conv twin here.

    Raises:
        ValueError: for a name that no bottleneck ResNet has.
    """
    top = {"conv1": "stem", "bn1": "stem_norm", "fc": "head"}
    renamed = {}
    for key, tensor in state.items():
        first, rest = key.split(".", 1)
        if first in top:
            renamed[f"{top[first]}.{rest}"] = tensor
            continue
        parts = rest.split(".", 2)
        if not first.startswith("layer") or len(parts) < 3 or parts[1] not in _FROM_TORCHVISION:
            raise ValueError(f"{key!r} is not a name in a torchvision bottleneck ResNet.")
        block, part, leaf = parts
        stage = int(first.removeprefix("layer")) - 1
        renamed[f"stages.{stage}.{block}.{_FROM_TORCHVISION[part]}.{leaf}"] = tensor
    return renamed
