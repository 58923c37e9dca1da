"""What tests of kernels share, Triton or C++: how they are held against the plain formulas."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from gsa import native
from gsa.kernel_checks import noise

TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 0.03}


@contextmanager
def calls() -> Iterator[list[str]]:
    """Names of the functions in C++ as they are called inside."""
    names: list[str] = []
    function = native.Function.__call__

    def counted(self: native.Function, *args: Any) -> None:
        names.append(self.name)
        function(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native.Function, "__call__", counted)
        yield names


def compare(
    plain: Callable[..., Tensor],
    quick: Callable[..., Tensor],
    tensors: list[Tensor],
    slope: Tensor | None = None,
    *,
    least: float = 0.0,
) -> None:
    """Result and gradients of kernels against those of the plain formulas in double precision.

    Errors are relative to the largest value of each, or to `least` where that is more.
    """
    # copies in double precision against the very tensors, whose memory is part of the test
    exact = [each.double().detach().requires_grad_() for each in tensors]
    given = [each.detach().requires_grad_() for each in tensors]
    wanted, found = plain(*exact), quick(*given)
    if slope is None:
        slope = noise(*found.shape, seed=3).to(found)
    assert found.dtype == tensors[0].dtype
    assert found.permute(0, 3, 4, 1, 2).is_contiguous()
    wanted_grads = torch.autograd.grad(wanted, exact, slope.double())
    found_grads = torch.autograd.grad(found, given, slope)
    for a, b in zip((wanted, *wanted_grads), (found, *found_grads), strict=True):
        largest = a.abs().max().clamp(min=least)
        assert (a - b).abs().max() <= TOLERANCES[b.dtype] * largest


def compare_two_runs(quick: Callable[..., Tensor], tensors: list[Tensor]) -> None:
    """Result and gradients of one run of kernels against those of another, to the bit."""
    results = []
    for _ in range(2):
        given = [each.detach().requires_grad_() for each in tensors]
        out = quick(*given)
        results.append((out, *torch.autograd.grad(out.float().square().sum(), given)))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
