"""What bounds the module's speed: the machine's rates, its parts, and its growth with the picture.

The roofline is the time that a forward pass would take if every multiply-add ran at the rate of a
large matrix product, or its input, output and weights moved at the rate of a copy, whichever takes
longer (Williams, Waterman, Patterson 2009).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gsa import fast
from gsa.attention import GlobalSelfAttention, column_attention, content_branch, row_attention
from gsa.bench import HEADS, STAGES, Effort
from gsa.costs import counted
from gsa.growth import exponent
from gsa.pointwise import PointwiseConv2d
from gsa.scaling import SIZES, Setting, measure_layers

LARGEST_EXPONENT = 1.5  # of time in pixels, that is aimed at


@dataclass(frozen=True)
class Rates:
    """What the machine can do at best."""

    flops_per_second: float  # of a large matrix product, the faster of two libraries
    bytes_per_second: float  # read and written by a copy


@dataclass(frozen=True)
class Part:
    """One part of the module's forward pass at one stage."""

    stage: str  # 56x56, ...
    name: str
    seconds: float  # median
    share: float  # of the sum of the parts
    flops: int  # 2 for each multiply-add
    roofline: float  # seconds


def rates(effort: Effort) -> Rates:
    """Measure the machine; on a CPU a 1x1 convolution may run faster than torch's product."""
    side = 1024
    a = torch.randn(side, side, device=effort.device).to(effort.dtype)
    picture = a.view(1, 32, 32, side).permute(0, 3, 1, 2)
    convolve = PointwiseConv2d(side, side).to(effort.device, effort.dtype)
    with torch.inference_mode():
        product = min(_seconds(lambda: a @ a, effort), _seconds(lambda: convolve(picture), effort))
    b = torch.empty(2**24, dtype=effort.dtype, device=effort.device)
    c = torch.empty_like(b)
    copied = _seconds(lambda: c.copy_(b), effort)
    return Rates(2 * side**3 / product, 2 * b.nbytes / copied)


def _seconds(work: Any, effort: Effort) -> float:
    from torch.utils.benchmark import Timer  # not at the top, as in `gsa.scaling`

    timer = Timer("work()", globals={"work": work}, num_threads=effort.threads)
    return timer.blocked_autorange(min_run_time=effort.seconds).median


def roofline(flops: int, moved: int, machine: Rates) -> float:
    """Seconds that so many operations, or so many bytes moved, take at least."""
    return max(flops / machine.flops_per_second, moved / machine.bytes_per_second)


def parts(effort: Effort, machine: Rates) -> Iterator[Part]:
    """Every part of the module at the four stages of ResNet-50, for inference."""
    for side, width in STAGES:
        module = GlobalSelfAttention(width, width, HEADS, (side, side))
        module = module.to(effort.device, effort.dtype).eval()
        shape = (effort.batch, side, side, width)
        x = torch.randn(shape, device=effort.device).to(effort.dtype).permute(0, 3, 1, 2)
        with torch.inference_mode():
            works = _works(module, x)
            found = {name: _seconds(work, effort) for name, (work, _) in works.items()}
            flops = {name: counted(work) for name, (work, _) in works.items()}
        for name, (_, moved) in works.items():
            yield Part(
                stage=f"{side}x{side}",
                name=name,
                seconds=found[name],
                share=found[name] / sum(found.values()),
                flops=flops[name],
                roofline=roofline(flops[name], moved, machine),
            )


def _works(module: GlobalSelfAttention, x: Tensor) -> dict[str, tuple[Any, int]]:
    """The parts by name, each with the bytes that it reads and writes at least."""
    assert module.to_k is not None
    q, k, v = (
        project(x).unflatten(1, (HEADS, -1)) for project in (module.to_q, module.to_k, module.to_v)
    )
    u = column_attention(q, module.r_c, v)
    one = x.nbytes
    weights = module.to_q.weight.nbytes

    def project_all() -> None:
        for project in (module.to_q, module.to_k, module.to_v):
            assert isinstance(project, nn.Module)
            project(x)

    return {
        "projections to q, k, v": (project_all, 4 * one + 3 * weights),
        "content branch": (lambda: content_branch(q, k, v), 4 * one),
        "positional: column step": (lambda: column_attention(q, module.r_c, v), 3 * one),
        "norm between the steps": (lambda: module.step_norm(fast.heads_joined(u)), 2 * one),
        "positional: row step": (lambda: row_attention(q, module.r_r, u), 3 * one),
        "sum of the branches": (lambda: u + v, 3 * one),
    }


def growth(effort: Effort) -> dict[str, float]:
    """Exponent of a forward pass's time in the pixels of the grid, for each mixer of stage 1."""
    side, width = STAGES[0]
    setting = Setting(
        device=effort.device,
        dtype=effort.dtype_name,
        threads=effort.threads,
        repeat=effort.seconds,
    )
    costs = list(measure_layers(width, HEADS, SIZES, setting))
    return {
        name: exponent([cost for cost in costs if cost.name == name])
        for name in dict.fromkeys(cost.name for cost in costs)
    }
