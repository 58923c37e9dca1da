"""How fast the module, the networks and the maps are, as ratios measured in turn in one run.

Two times taken minutes apart on a busy machine compare little, so contenders run in turn, round
after round, and each round gives one ratio; the median and quartiles over the rounds are reported.
"""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, get_args

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from gsa import fast, maps
from gsa.attention import GlobalSelfAttention
from gsa.baselines import untrained
from gsa.card import Card
from gsa.cells import Cells
from gsa.config import preset
from gsa.folding import folded
from gsa.pictures import open_picture
from gsa.preprocess import Preprocess
from gsa.record import record
from gsa.resnet import ResNet
from gsa.scaling import DenseAttention, peak_bytes

# the four stages of ResNet-50 at 224 px: side of the grid, channels
STAGES = ((56, 64), (28, 128), (14, 256), (7, 512))
HEADS = 8
SUBJECT = "gsa"
_MOST = 10_000  # rounds, seconds, pictures, threads, pixels
_LEAST_SIZE = 64  # pixels; at half of it the last stage has one cell, too few to train a norm
AIM_SIZE = preset("gsa_resnet50").input_size  # pixels; the aims for networks are meant for it
Part = Literal["modules", "networks", "app"]

# largest ratio of gsa's time, or memory, to the other's
_SHARED_TARGETS = {
    ("network inference", "torchvision ResNet-50"): 1.0,
    ("network inference, norms folded", "torchvision ResNet-50"): 1.0,
    ("network step", "torchvision ResNet-50"): 1.3,
}
TARGETS: dict[str, dict[tuple[str, str], float]] = {
    "cuda": {
        **_SHARED_TARGETS,
        ("module forward", "gsa-pytorch"): 0.25,
        ("module step", "gsa-pytorch"): 0.25,
    },
    "cpu": {
        **_SHARED_TARGETS,
        ("module forward", "gsa-pytorch"): 0.5,
        ("module step", "gsa-pytorch"): 0.5,
        ("module memory", "gsa-pytorch"): 0.5,
        ("module forward 56x56", "dense attention"): 0.2,
        ("maps", "forward pass"): 1.0,
        ("upload", "two forward passes"): 2.5,
    },
}


@dataclass(frozen=True)
class Effort:
    """How long is measured, and on what."""

    rounds: int = 7  # ratios of each pair
    seconds: float = 0.1  # for each contender and round, at least
    batch: int = 1  # pictures
    threads: int = 1
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    compile: bool = False  # by torch.compile: every module and network of a comparison
    sizes: tuple[int, ...] = (AIM_SIZE,)  # sides of the networks' inputs in pixels
    only: Part | None = None  # of what is measured; None: all

    def __post_init__(self) -> None:
        for name in ("rounds", "seconds", "batch", "threads"):
            if not 0 < getattr(self, name) <= _MOST:
                raise ValueError(
                    f"`{name}` (={getattr(self, name)}) must be above 0 and at most {_MOST}."
                )
        for size in self.sizes:
            if not _LEAST_SIZE <= size <= _MOST:
                raise ValueError(
                    f"`sizes` (={size}) must be from {_LEAST_SIZE} to {_MOST} pixels each."
                )
        if self.only == "app" and not self.measures("app"):
            raise ValueError("`only` (='app') needs float32 on a CPU, not compiled.")

    def measures(self, part: Part) -> bool:
        """Whether a part is measured: the app's core, where it runs as it does in the app."""
        as_in_app = self.device == "cpu" and self.dtype == torch.float32 and not self.compile
        return self.only in (None, part) and (part != "app" or as_in_app)

    @property
    def dtype_name(self) -> str:
        """Without the name of the library, as `gsa.scaling.Setting` takes it."""
        return str(self.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Ratio:
    """gsa against another, below 1 where gsa is better."""

    what: str  # module forward 56x56, network inference, ...
    other: str
    ratio: float  # median over the rounds
    low: float  # first quartile
    high: float  # third quartile
    gsa: float  # seconds, or bytes for memory; median
    against: float
    target: float | None = None  # largest ratio that is aimed at
    size: int | None = None  # side of a network's input in pixels

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.ratio <= self.target


def run(effort: Effort) -> Iterator[Ratio]:
    """All measurements that the effort names, one ratio at a time."""
    measured = {"modules": _modules, "networks": _networks, "app": _app}
    for part in get_args(Part):
        if effort.measures(part):
            yield from measured[part](effort)


def in_turn(
    what: str, contenders: Mapping[str, Callable[[], object]], effort: Effort
) -> Iterator[Ratio]:
    """The ratios of the first contender, gsa, to each other one.

    Args:
        what: is measured.
        contenders: by name, gsa first.
        effort: how long.
    """
    from torch.utils.benchmark import Timer  # not at the top, as in `gsa.scaling`

    timers, counts = {}, {}
    for name, contender in contenders.items():
        timer = Timer("contender()", globals={"contender": contender}, num_threads=effort.threads)
        once = timer.timeit(1).mean  # warms up as well
        timers[name], counts[name] = timer, max(1, math.ceil(effort.seconds / once))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(effort.rounds):
        # there and back, so that nobody always comes after the same other
        for name in list(timers)[:: 1 if number % 2 == 0 else -1]:
            times[name].append(timers[name].timeit(counts[name]).mean)
    subject, *others = times
    for other in others:
        ratios = [a / b for a, b in zip(times[subject], times[other], strict=True)]
        middles = (median(times[subject]), median(times[other]))
        yield _ratio(what, other, ratios, middles, effort)


def _ratio(
    what: str, other: str, ratios: list[float], middles: tuple[float, float], effort: Effort
) -> Ratio:
    low, high = (float(each) for each in np.percentile(ratios, (25, 75)))
    target = TARGETS[effort.device].get((what, other))
    return Ratio(what, other, median(ratios), low, high, *middles, target)


def geometric_mean(what: str, ratios: list[Ratio], device: str) -> Iterator[Ratio]:
    """One ratio for each other contender, over several shapes.

    Of medians and quartiles alike, the geometric mean over the shapes is taken.
    """
    for other in dict.fromkeys(each.other for each in ratios):
        same = [each for each in ratios if each.other == other]

        def mean(figure: str, same: list[Ratio] = same) -> float:
            return math.exp(np.mean([math.log(getattr(each, figure)) for each in same]))

        ratio, low, high, ours, theirs = map(mean, ("ratio", "low", "high", "gsa", "against"))
        target = TARGETS[device].get((what, other))
        yield Ratio(what, other, ratio, low, high, ours, theirs, target)


def _modules(effort: Effort) -> Iterator[Ratio]:
    for mode in ("forward", "step", "memory"):
        found: list[Ratio] = []
        for side, width in STAGES:
            contenders = {
                name: _work(module, (effort.batch, width, side, side), mode != "forward", effort)
                for name, module in _mixers(side, width, effort.dtype).items()
            }
            what = f"module {mode} {side}x{side}"
            if mode == "memory":
                found += _memory(what, contenders, effort)
            else:
                found += in_turn(what, contenders, effort)
        yield from found
        yield from geometric_mean(f"module {mode}", found, effort.device)


def _mixers(side: int, width: int, dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    size = (side, side)
    found: dict[str, nn.Module] = {
        SUBJECT: GlobalSelfAttention(width, width, HEADS, size),
        "the same, plain": _Plain(GlobalSelfAttention(width, width, HEADS, size)),
        "3x3 convolution": nn.Conv2d(width, width, 3, padding=1, bias=False),
        "dense attention": DenseAttention(width, HEADS),
    }
    # the other module makes single precision of its own, and fails among half precision
    if dtype == torch.float32 and importlib.util.find_spec("gsa_pytorch"):
        from gsa_pytorch import GSA

        found["gsa-pytorch"] = GSA(
            dim=width, dim_out=width, dim_key=width // HEADS, heads=HEADS, rel_pos_length=side
        )
        # its output projection is neither in the paper nor in the module here
        found["gsa-pytorch"].to_out = nn.Identity()
    return found


class _Plain(nn.Module):
    """A module without the fast positional steps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        with fast.switched_off():
            return self.module(x)


def _work(
    module: nn.Module, shape: tuple[int, ...], learn: bool, effort: Effort
) -> Callable[[], object]:
    """A forward pass for inference, or one with its backward pass for training."""
    layout = torch.channels_last
    module = module.to(effort.device, effort.dtype).to(memory_format=layout).train(learn)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = x.to(effort.device, effort.dtype).contiguous(memory_format=layout)
    work = torch.compile(module, dynamic=False) if effort.compile else module

    def step() -> None:
        out = work(x.requires_grad_())
        out.backward(torch.ones_like(out))
        x.grad = None
        module.zero_grad()

    def forward() -> None:
        with torch.inference_mode():
            work(x)

    return step if learn else forward


def _memory(
    what: str, contenders: Mapping[str, Callable[[], object]], effort: Effort
) -> Iterator[Ratio]:
    """Peaks do not scatter, so there is one round."""
    from torch.utils.benchmark.utils.common import set_torch_threads  # as in `gsa.scaling`

    # with the threads of the setting, by which torch chooses ways that take more or less memory
    with set_torch_threads(effort.threads):
        peaks = {name: float(peak_bytes(work, effort.device)) for name, work in contenders.items()}
    for other in list(peaks)[1:]:
        both = peaks[SUBJECT], peaks[other]
        yield _ratio(what, other, [both[0] / both[1]], both, effort)


def _networks(effort: Effort) -> Iterator[Ratio]:
    """GSA-ResNet-50 against torchvision's ResNet-50, and against its twin as it is built here."""
    for size in effort.sizes:
        for ratio in _networks_at(size, effort):
            target = ratio.target if size == AIM_SIZE else None
            yield replace(ratio, target=target, size=size)


def _networks_at(size: int, effort: Effort) -> Iterator[Ratio]:
    shape = (effort.batch, 3, size, size)
    twins = {SUBJECT: ResNet(preset("gsa_resnet50", input_size=size), seed=0)}
    twins["its conv twin"] = ResNet(preset("resnet50", input_size=size), seed=0)
    theirs = torchvision.models.resnet50()
    quick: dict[str, nn.Module] = {name: folded(model) for name, model in twins.items()}
    quick["torchvision ResNet-50"] = fuse(theirs.eval())
    plain: dict[str, nn.Module] = {**twins, "torchvision ResNet-50": theirs}
    for mode, networks, learn in (
        ("inference", plain, False),
        ("inference, norms folded", quick, False),
        ("step", plain, True),
    ):
        contenders = {
            name: _work(network, shape, learn, effort) for name, network in networks.items()
        }
        yield from in_turn(f"network {mode}", contenders, effort)
        if learn:
            yield from _memory("network memory", contenders, effort)


def _app(effort: Effort) -> Iterator[Ratio]:
    """What the app does for a click, and for an upload."""
    twins = []
    for name in ("gsa_resnet26_small", "resnet26_small"):
        config = preset(name, num_classes=10, projection_norm="rms")
        card = Card(name, "bench", config, Preprocess(128), tuple("abcdefghij"))
        twins.append(untrained(card))
    gsa, conv = twins
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    large = Image.fromarray(pixels).resize((4000, 3000), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    large.save(stream, "JPEG", quality=90)
    x = gsa.preprocess.tensor(gsa.preprocess.crop(large))
    recording = record(gsa.model, x)

    def all_maps() -> None:
        for name, layer in recording.layers.items():
            place = recording.grid(name).cell_at(50, 70)
            for branch in maps.branches(layer):
                maps.branch_map(layer, branch, Cells.at(*place))

    def forward() -> None:
        record(gsa.model, x)

    def both() -> None:
        with torch.inference_mode():
            gsa.model(x)
            conv.model(x)

    def upload() -> None:
        seen = gsa.preprocess.tensor(gsa.preprocess.crop(open_picture(stream.getvalue())))
        record(gsa.model, seen)
        record(conv.model, seen)

    yield from in_turn("maps", {SUBJECT: all_maps, "forward pass": forward}, effort)
    yield from in_turn("upload", {SUBJECT: upload, "two forward passes": both}, effort)
