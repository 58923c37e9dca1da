"""Both branches of a module and their sum in one call, for inference on a CPU (`gsa.native`).

The functions of `gsa.native_steps` and `gsa.native_content` after one another. The batch norm
between the steps and the sum of the branches are made on the way, without a pass over the data of
their own; over few pixels it is worth more that there is one call and not six.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from gsa import fast, kernel_checks, native

_MODULE = native.Function(  # `ModuleCall` of gsa/cpp/calls.h
    "gsa_module",
    ("images", "rows", "columns", "heads", "d"),
    ("q", "k", "v", "r_c", "gain", "offset", "r_r", "out", "content", "positional"),
)


class Branches(NamedTuple):
    """What a module puts out, and each branch where it was asked for: (b, width, y, x)."""

    output: Tensor
    content: Tensor | None
    positional: Tensor | None


def available(q: Tensor, k: Tensor, v: Tensor, heads: int) -> bool:
    """Whether `branches` can take a module, and should.

    Args:
        q: queries (b, width, y, x).
        k: keys, not normalised; likewise.
        v: values; likewise.
        heads: of the module.

    Returns:
        True inside `torch.inference_mode`, which rules gradients out, where `gsa.native.takes` the
        tensors and the function was compared with the plain formulas on a tiny input, as in
        `gsa.native_steps`.
    """
    channels = q.shape[1] // heads
    return (
        native.takes(q, k, v, channels=channels)
        and torch.is_inference_mode_enabled()  # last, which compiling torch cannot ask
        and _works(fast.step_dtype(q), channels)
    )


def branches(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    r_c: Tensor,
    affine: tuple[Tensor, Tensor],
    r_r: Tensor,
    *,
    apart: bool = False,
) -> Branches:
    """Equations (1) to (5) of `gsa.formulas`, the batch norm being gain · u + offset.

    Args:
        q: queries (b, width, y, x), for which `available` says yes.
        k: keys, not normalised; likewise.
        v: values; likewise.
        r_c: (2y - 1, d).
        affine: gain and offset of the batch norm between the steps, (h, d) each.
        r_r: (2x - 1, d).
        apart: whether each branch is wanted beside the sum.

    Returns:
        In channels-last memory; in the type of autocast where that is on, else in that of q.

    Raises:
        ValueError: if embeddings, gain or offset are not of these shapes.
    """
    b, width, y, x = q.shape
    heads, d = affine[0].shape
    for each in affine:
        if each.shape != (heads, d) or heads * d != width or each.device != q.device:
            raise ValueError(
                f"Gain and offset must be (heads, channels) of {width} channels on {q.device}, not "
                f"{tuple(each.shape)} on {each.device}."
            )
    kernel_checks.check_table(r_c, y, d, q.device)
    kernel_checks.check_table(r_r, x, d, q.device)
    dtype = fast.step_dtype(q)
    wanted = ("out", "content", "positional") if apart else ("out",)
    made = {name: q.new_empty((b, y, x, width), dtype=dtype) for name in wanted}
    given = {
        name: fast.channels_last(each.to(dtype)) for name, each in (("q", q), ("k", k), ("v", v))
    }
    small = {"r_c": r_c, "gain": affine[0], "offset": affine[1], "r_r": r_r}
    given |= {name: each.float().contiguous() for name, each in small.items()}
    numbers = {"images": b, "rows": y, "columns": x, "heads": heads, "d": d}
    _MODULE(dtype, numbers, {**given, **made})
    made = {name: each.permute(0, 3, 1, 2) for name, each in made.items()}
    return Branches(made["out"], made.get("content"), made.get("positional"))


@cache
def _works(dtype: torch.dtype, d: int) -> bool:
    """Whether modules with d channels in a head are those of the formulas."""
    device = torch.device("cpu")
    return kernel_checks.trusted("C++", "modules", device, dtype, lambda: _error(dtype, d))


def _error(dtype: torch.dtype, d: int) -> float:
    """Of a small grid, whose rows and columns fill no whole number of registers."""
    heads, y, x = 2, 5, 18
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        q, k, v = (
            kernel_checks.noise(2, y, x, heads * d, seed=seed).permute(0, 3, 1, 2).to(dtype)
            for seed in range(3)
        )
        r_c, r_r = (kernel_checks.noise(2 * n - 1, d, seed=3) for n in (y, x))
        affine = kernel_checks.noise(heads, d, seed=4), kernel_checks.noise(heads, d, seed=5)
        wanted = kernel_checks.plain_branches(
            q.double(), k.double(), v.double(), r_c.double(), affine, r_r.double()
        )
        made = branches(q, k, v, r_c, affine, r_r, apart=True)
        return kernel_checks.largest_error(wanted, [each for each in made if each is not None])
