"""The theoretical receptive field: which pixels of the picture a unit can see at all.

It is computed from the modules of the network, backwards from the unit: a convolution or a pooling
widens the interval of rows and of columns by its kernel and stretches it by its stride, a residual
connection gives the hull of both ways, and a GSA module reaches over its whole axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from gsa.attention import GlobalSelfAttention
from gsa.resnet import Bottleneck, ResNet, within

Interval = tuple[float, float]  # first and last index on an axis, both included
Windowed = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d
Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels; bottom and right excluded

_POINTWISE = (
    nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.ELU, nn.GELU, nn.Hardswish, nn.Identity,
    nn.LeakyReLU, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Tanh,
)  # fmt: skip
EVERYWHERE: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class TheoreticalField:
    """What a unit can see at all."""

    box: Box  # inside the picture
    side: tuple[int | None, int | None]  # rows and columns without a border; None: all there are
    # (row, column) in pixels that the unit stands for: the residual connections lead back to it,
    # so twins have the same centres, and for a conv network it is the middle of the box
    centre: tuple[float, float]

    @property
    def whole(self) -> bool:
        """Whether a unit sees the whole picture whatever its size."""
        return self.side == (None, None)

    @property
    def why(self) -> str:
        """One sentence that says where the size comes from."""
        if self.whole:
            return (
                "Whole picture: a global operation on the way, such as a GSA module, gives every "
                "pixel of its grid a weight, so one layer is enough."
            )
        if None in self.side:
            axis = "row" if self.side[1] is None else "column"
            return f"A GSA module on the way reads the whole {axis}."
        return "Exact box: the kernels and strides on the way allow no more."


def field_of(network: nn.Module, layer: str | None, unit: tuple[int, int],
             picture: tuple[int, int]) -> TheoreticalField:  # fmt: skip
    """The theoretical receptive field of a unit.

    Args:
        network: a `ResNet`, or a sequence of convolutions, poolings and pointwise modules.
        layer: `stage.block` of a `ResNet`, whose output has the unit; None for a sequence.
        unit: (row, column) in the grid of that output.
        picture: (rows, columns) of the input in pixels.

    Raises:
        ValueError: if there is no such layer, the unit is not in the grid of its output, or a
            module's field is not known.
    """
    chain = _chain(network, layer)
    axes = [_back(chain, axis, (unit[axis], unit[axis])) for axis in (0, 1)]
    rows, columns = (_length(chain, axis, picture[axis]) for axis in (0, 1))
    if not (0 <= unit[0] < rows and 0 <= unit[1] < columns):
        raise ValueError(
            f"the unit {unit} must lie in the grid of the layer's output, which has {rows} x "
            f"{columns} units for a picture of {picture[0]} x {picture[1]} pixels."
        )
    centres = [
        _back(chain, axis, (unit[axis], unit[axis]), along_shortcuts=True) for axis in (0, 1)
    ]
    spans = [
        (int(max(0, first)), int(min(size, last + 1)))
        for (first, last), size in zip(axes, picture, strict=True)
    ]
    sides = [None if math.isinf(last - first) else int(last - first) + 1 for first, last in axes]
    middles = [  # what stands for the whole picture stands in its middle
        size / 2 if math.isinf(first) else (first + last + 1) / 2
        for (first, last), size in zip(centres, picture, strict=True)
    ]
    return TheoreticalField(
        box=(spans[0][0], spans[1][0], spans[0][1], spans[1][1]),
        side=(sides[0], sides[1]),
        centre=(middles[0], middles[1]),
    )


def nearest_unit(network: nn.Module, layer: str | None, grid: tuple[int, int],
                 place: tuple[float, float]) -> tuple[int, int]:  # fmt: skip
    """The unit whose centre is nearest to a place, the first of two that are equally near.

    Args:
        grid: (rows, columns) of the layer's output.
        place: (row, column) in pixels of the input.
    """
    chain = _chain(network, layer)
    found = []
    for axis in (0, 1):
        # centres are evenly spaced, so two of them say where all are
        origin, next_ = (_back(chain, axis, (at, at), along_shortcuts=True) for at in (0, 1))
        middle = (origin[0] + origin[1] + 1) / 2
        at = 0
        if not math.isinf(origin[0]):
            at = math.ceil((place[axis] - middle) / (next_[0] - origin[0]) - 0.5)
        found.append(min(max(at, 0), grid[axis] - 1))
    return found[0], found[1]


def _chain(network: nn.Module, layer: str | None) -> list[nn.Module]:
    """The modules from the input to the end of a layer."""
    network = within(network)
    if not isinstance(network, ResNet):
        return list(network.children()) or [network]
    blocks = network.blocks()
    if layer not in blocks:
        raise ValueError(f"there is no layer {layer!r}; layers are {', '.join(blocks)}.")
    names = list(blocks)
    chain: list[nn.Module] = [network.stem, network.max_pool]
    return chain + [blocks[name] for name in names[: names.index(layer) + 1]]


def _back(
    chain: list[nn.Module], axis: int, interval: Interval, *, along_shortcuts: bool = False
) -> Interval:
    """The interval of input indices of an axis (0 rows, 1 columns) that `interval` depends on.

    Args:
        along_shortcuts: through residual blocks by their shortcut alone, and through GSA modules
            as if they were pointwise: to where the unit itself comes from.
    """
    for module in reversed(chain):
        interval = _step(module, axis, interval, along_shortcuts)
    return interval


def _step(module: nn.Module, axis: int, interval: Interval, along_shortcuts: bool) -> Interval:
    if isinstance(module, _POINTWISE):
        return interval
    if isinstance(module, GlobalSelfAttention):
        return interval if along_shortcuts else _through_attention(module, axis, interval)
    if isinstance(module, Windowed):
        span, stride, padding, _ = _window(module, axis)
        first, last = interval
        return first * stride - padding, last * stride - padding + span - 1
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return EVERYWHERE
    if isinstance(module, nn.Sequential):
        return _back(list(module), axis, interval, along_shortcuts=along_shortcuts)
    if isinstance(module, Bottleneck):
        short = _step(module.shortcut, axis, interval, along_shortcuts)
        if along_shortcuts:
            return short
        way = _back([module.reduce, module.mixer, module.pool, module.expand], axis, interval)
        return min(way[0], short[0]), max(way[1], short[1])
    raise ValueError(f"the receptive field of a {type(module).__name__} is not known.")


def _window(module: Windowed, axis: int) -> tuple[int, int, int, int]:
    """Along an axis: inputs that a window spans, its stride, and the padding before and behind."""
    kernel, stride = (_of_axis(each, axis) for each in (module.kernel_size, module.stride))
    span = _of_axis(getattr(module, "dilation", 1), axis) * (kernel - 1) + 1
    if module.padding == "same":  # what is odd of it stands at the end
        return span, stride, (span - 1) // 2, span // 2
    padding = 0 if isinstance(module.padding, str) else _of_axis(module.padding, axis)
    return span, stride, padding, padding


def _length(chain: Iterable[nn.Module], axis: int, size: int) -> int:
    """Units along an axis of the output of a chain of modules whose fields are known."""
    for module in chain:
        if isinstance(module, Windowed):
            span, stride, before, behind = _window(module, axis)
            steps = (size + before + behind - span) / stride
            if getattr(module, "ceil_mode", False):  # but no window begins behind the input
                steps = min(math.ceil(steps), (size + before - 1) // stride)
            size = math.floor(steps) + 1
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            out = module.output_size
            out = out[axis] if isinstance(out, tuple) else out
            size = size if out is None else out
        elif isinstance(module, nn.Sequential):
            size = _length(module, axis, size)
        elif isinstance(module, Bottleneck):
            size = _length([module.reduce, module.mixer, module.pool, module.expand], axis, size)
    return size


def _through_attention(module: GlobalSelfAttention, axis: int, interval: Interval) -> Interval:
    if module.to_k is not None:  # cut or not: the keys' softmax counts all pixels
        return EVERYWHERE
    if not (module.has_column, module.has_row)[axis]:
        return interval
    reach = math.inf if module.reach is None else module.reach
    return interval[0] - reach, interval[1] + reach


def _of_axis(value: object, axis: int) -> int:
    if isinstance(value, tuple):
        return value[axis]
    assert isinstance(value, int)
    return value
