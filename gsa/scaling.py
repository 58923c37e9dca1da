"""What mixers and networks cost on this very machine as the input grows.

Time is the median of `torch.utils.benchmark`, memory the most that the forward pass holds beside
weights and input; both are for inference. Every measurement is one step of a generator, so a
caller can show it at once or stop. A step that would take longer than its limit is not taken: its
time is foretold from the sizes before it, and the rest of that series is left out. The first size
of a series is taken whatever it takes, since nothing foretells it.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from gsa.attention import GlobalSelfAttention
from gsa.config import Mixer, NetworkConfig, ProjectionNorm
from gsa.costs import forward_flops
from gsa.files import json_ready
from gsa.pointwise import PointwiseConv2d
from gsa.resnet import ResNet, first_grid
from gsa.rng import seeded

# each profile would greet on stderr, and torch's benchmark tell of CUDA without a GPU
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
logging.getLogger("torch.utils.cpp_extension").addFilter(
    lambda record: "No CUDA runtime is found" not in record.getMessage()
)

SIZES = (32, 64, 128, 256, 512)  # side of the input in pixels
_LARGEST = 4096  # side of an input in pixels


class DenseAttention(nn.Module):
    """Softmax attention of every pixel with every pixel, by torch's fused operation.

    It has the widths and the three projections of `GlobalSelfAttention` and, as that, no output
    projection; it has no position in it.

    Shape: (b, width, y, x) to the same.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"`width` (={width}) must be divisible by `heads` (={heads}).")
        self.heads = heads
        self.to_q = PointwiseConv2d(width, width)
        self.to_k = PointwiseConv2d(width, width)
        self.to_v = PointwiseConv2d(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Every pixel becomes a mean of all pixels' values, weighted by likeness."""
        q, k, v = (  # contiguous, or torch would not take its fused kernel
            each(x).unflatten(1, (self.heads, -1)).flatten(-2).transpose(-1, -2).contiguous()
            for each in (self.to_q, self.to_k, self.to_v)
        )  # (b, h, y * x, d)
        out = F.scaled_dot_product_attention(q, k, v)
        return out.transpose(-1, -2).reshape(x.shape)


@dataclass(frozen=True)
class Setting:
    """On what, and how long, is measured."""

    device: str = "cpu"  # or "cuda"
    dtype: str = "float32"  # or "bfloat16"
    threads: int = 1
    limit: float = 2.0  # seconds that one forward pass may take
    repeat: float = 0.2  # seconds that a forward pass is repeated for, at least

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"`device` (={self.device!r}) must be cpu or cuda.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"`device` (={self.device!r}) is not there: torch finds no GPU.")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"`dtype` (={self.dtype!r}) must be float32 or bfloat16.")
        if self.threads < 1:
            raise ValueError(f"`threads` (={self.threads}) must be at least 1.")
        if not (0 < self.limit < math.inf and 0 < self.repeat < math.inf):
            raise ValueError(
                f"`limit` (={self.limit}) and `repeat` (={self.repeat}) must be above 0 seconds "
                "and finite."
            )


@dataclass(frozen=True)
class Cost:
    """One mixer or network at one size."""

    name: str
    size: int  # side of the network's input in pixels
    pixels: int  # of the grid that the mixer, or the network's input, has
    params: int
    flops: int  # 2 for each multiply-add
    seconds: float  # median of one forward pass on one picture; NaN where it was left out
    spread: float  # interquartile range of the same; NaN where one pass was enough
    peak_bytes: float  # held at the most, beside weights and input; NaN where it was left out

    @property
    def left_out(self) -> bool:
        """Whether it would have taken longer than the limit."""
        return math.isnan(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values; a figure that does not exist becomes None."""
        return json_ready(asdict(self))


def mixers(
    width: int, heads: int, grid: int, norm: ProjectionNorm = "none"
) -> dict[str, nn.Module]:
    """The mixers that are compared, at one width, for a grid of grid x grid cells.

    `norm` is the GSA modules' `projection_norm`; the paper has none.

    Raises:
        ValueError: for a width that `heads` does not divide, or either below 1.
    """
    if width < 1 or heads < 1:
        raise ValueError(f"`width` (={width}) and `heads` (={heads}) must be at least 1.")
    size = (grid, grid)
    module = partial(GlobalSelfAttention, width, width, heads, size, projection_norm=norm)
    return {
        "conv": nn.Conv2d(width, width, 3, padding=1, bias=False),
        "gsa": module(),
        "content": module(positional="none"),
        "positional": module(content=False),
        "dense": DenseAttention(width, heads),
    }


def networks(config: NetworkConfig, size: int) -> dict[str, ResNet]:
    """Networks of conv, GSA and dense attention in every stage, whatever mixers `config` has."""
    built: dict[str, Mixer] = {"conv": "conv", "gsa": "gsa", "dense": "gsa"}
    found = {}
    for name, mixer in built.items():
        each = replace(config, mixers=(mixer,) * len(config.mixers), input_size=max(size, 32))
        model = ResNet(each)
        if name == "dense":
            for block in model.blocks().values():
                width = block.expand.in_channels
                # a block pools after a GSA module itself; other mixers stride on their own
                block.mixer = nn.Sequential(DenseAttention(width, config.heads), block.pool)
        found[name] = model
    return found


def measure_layers(
    width: int,
    heads: int,
    sizes: Sequence[int] = SIZES,
    setting: Setting | None = None,
    norm: ProjectionNorm = "none",
) -> Iterator[Cost]:
    """Cost of each mixer in the first stage, whose grid has a quarter of the input's side.

    `norm` as in `mixers`.

    Raises:
        ValueError: for sizes below 8 pixels or of one grid, or a width not divided by `heads`.
    """
    _check(sizes)

    def build(name: str, size: int) -> tuple[nn.Module, tuple[int, ...], int]:
        grid = first_grid(size)
        return mixers(width, heads, grid, norm)[name], (1, width, grid, grid), grid * grid

    return _series(list(mixers(width, heads, 1)), sizes, build, setting or Setting())


def measure_networks(
    config: NetworkConfig, sizes: Sequence[int] = SIZES, setting: Setting | None = None
) -> Iterator[Cost]:
    """Cost of the twins and of their sibling with dense attention.

    Raises:
        ValueError: for sizes below 8 pixels, or of one grid in the first stage.
    """
    _check(sizes)

    def build(name: str, size: int) -> tuple[nn.Module, tuple[int, ...], int]:
        return networks(config, size)[name], (1, 3, size, size), size * size

    return _series(["conv", "gsa", "dense"], sizes, build, setting or Setting())


def _check(sizes: Sequence[int]) -> None:
    named = ", ".join(map(str, sizes))
    if not sizes or not 8 <= min(sizes) <= max(sizes) <= _LARGEST:
        raise ValueError(f"`sizes` (={named}) must be from 8 to {_LARGEST} pixels each.")
    if len({first_grid(size) for size in sizes}) < len(sizes):
        raise ValueError(
            f"`sizes` (={named}) must give grids that differ; the first stage has a cell for every "
            "4 pixels of a side, and one for what is left over."
        )


Build = Callable[[str, int], tuple[nn.Module, tuple[int, ...], int]]


def _series(
    names: list[str], sizes: Sequence[int], build: Build, setting: Setting
) -> Iterator[Cost]:
    """All names at the smallest size, then all at the next; each name until it is too slow."""
    taken: dict[str, list[Cost]] = {name: [] for name in names}
    for size in sorted(sizes):
        for name in names:
            with torch.device("meta"):
                model, shape, pixels = build(name, size)
            params = sum(p.numel() for p in model.parameters())
            flops = forward_flops(model.eval(), shape)
            cost = Cost(name, size, pixels, params, flops, *(math.nan,) * 3)
            if _foretold(taken[name], pixels) <= setting.limit:
                with seeded(0):
                    model, _, _ = build(name, size)
                cost = _timed(cost, model, shape, setting)
            taken[name].append(cost)
            yield cost


def _foretold(before: list[Cost], pixels: int) -> float:
    """Seconds for the next size, if the growth between the last two goes on; 0 at the start.

    Growth is taken to be with the square of the pixels where only one size is known.
    """
    if not before:
        return 0.0
    if before[-1].left_out:
        return math.inf
    slope = 2.0
    if len(before) > 1:
        (x0, y0), (x1, y1) = ((math.log(c.pixels), math.log(c.seconds)) for c in before[-2:])
        slope = max(1.0, (y1 - y0) / (x1 - x0))
    return before[-1].seconds * (pixels / before[-1].pixels) ** slope


def _timed(cost: Cost, model: nn.Module, shape: tuple[int, ...], setting: Setting) -> Cost:
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[setting.dtype]
    model = model.to(setting.device, dtype).eval().requires_grad_(False)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(setting.device, dtype)

    def forward() -> None:
        with torch.inference_mode():
            model(x)

    # not at the top: the filter above must be there first
    from torch.utils.benchmark import Timer
    from torch.utils.benchmark.utils.common import set_torch_threads
    from torch.utils.benchmark.utils.timer import timer as clock

    with set_torch_threads(setting.threads):
        if torch.device(setting.device).type == "cuda":
            forward()  # what libraries and kernels take for themselves at first is not the mixer's
        peak = peak_bytes(forward, setting.device)  # which also warms up
        start = clock()
        forward()
        once = clock() - start
    timer = Timer("forward()", globals={"forward": forward}, num_threads=setting.threads)
    # a slow pass is not repeated: the timer would run it five times before it measures
    fast = once < setting.repeat
    measured = timer.blocked_autorange(min_run_time=setting.repeat) if fast else None
    return replace(
        cost,
        seconds=measured.median if measured else once,
        spread=measured.iqr if measured else math.nan,
        peak_bytes=float(peak),
    )


def peak_bytes(forward: Callable[[], object], device: str) -> int:
    """The most that is held at once beside what was there before."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        forward()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    # `acc_events`, or some versions of torch warn of events that a schedule would drop
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiled:
        forward()
    held = peak = 0
    for event in sorted(profiled.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak
