"""A packed convolution is the same convolution."""

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.nn.utils import prune

from gsa import packing
from gsa.costs import counted
from gsa.kernel_checks import noise
from gsa.packing import packed
from gsa.pointwise import PointwiseConv2d

CONVOLUTIONS: list[Callable[[], nn.Conv2d]] = [
    lambda: nn.Conv2d(3, 8, 7, stride=2, padding=3),
    lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
    lambda: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2),
    lambda: PointwiseConv2d(5, 9),
    lambda: PointwiseConv2d(5, 9, stride=2),
]


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """What was done with packed weights: `pack` or `convolve`."""
    done: list[str] = []
    reorder, convolve = packing._reordered, packing._convolve

    def packs(*given: Any) -> Tensor:
        done.append("pack")
        return reorder(*given)

    def convolves(*given: Any) -> Tensor:
        done.append("convolve")
        return convolve(*given)

    with pytest.MonkeyPatch.context() as patch:
        for dtype in (torch.float32, torch.bfloat16):
            packing._works(dtype)  # not among them
        patch.setattr(packing, "_reordered", packs)
        patch.setattr(packing, "_convolve", convolves)
        yield done


@pytest.mark.parametrize("make", CONVOLUTIONS)
@pytest.mark.parametrize("shape", [(1, 7, 7), (2, 20, 17), (1, 1, 1)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_equals_the_plain_one(
    make: Callable[[], nn.Conv2d],
    shape: tuple[int, ...],
    memory: torch.memory_format,
    calls: list[str],
) -> None:
    torch.manual_seed(1)
    plain = make().eval()
    quick = packed(plain)
    x = noise(shape[0], plain.in_channels, *shape[1:]).to(memory_format=memory)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x), plain(x), rtol=1e-5, atol=1e-5)
        other = noise(3, plain.in_channels, 12, 9)
        torch.testing.assert_close(quick(other), plain(other), rtol=1e-5, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            found, wanted = quick(x), plain(x)
        assert found.dtype == wanted.dtype == torch.bfloat16
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02)
        quick(x)  # weights stay packed for another size, and for each type
        assert calls == ["pack", "convolve", "convolve", "pack", "convolve", "convolve"]
        torch.testing.assert_close(quick.double()(x.double()), plain.double()(x.double()))


def test_follows_a_change_of_the_weights(calls: list[str]) -> None:
    plain, new = nn.Conv2d(4, 6, 3).eval(), nn.Conv2d(4, 6, 3).eval()
    quick, x = packed(plain), noise(1, 4, 8, 8)
    with torch.inference_mode():
        quick(x)
    quick.load_state_dict(new.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(quick(x), new(x), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        quick.bias.add_(1)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x), new(x) + 1, rtol=1e-5, atol=1e-5)
    assert calls.count("pack") == 3


def test_takes_no_weights_for_others_that_lay_there_before(calls: list[str]) -> None:
    quick, x = packed(nn.Conv2d(64, 64, 3).eval()), noise(1, 64, 8, 8)
    for _ in range(4):
        weight = torch.randn(64, 64, 3, 3)
        quick.weight = nn.Parameter(torch.empty(0))  # what was there is free
        quick.weight = nn.Parameter(weight.clone())
        with torch.inference_mode():
            found, wanted = quick(x), F.conv2d(x, weight, quick.bias)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert calls.count("convolve") == 4
    with torch.inference_mode():
        for k in range(1, 5):
            given = {"weight": k * quick.weight}
            found = torch.func.functional_call(quick, given, x)
            wanted = F.conv2d(x, given["weight"], quick.bias)
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_weights_that_are_made_from_others_are_not_packed(calls: list[str]) -> None:
    plain = nn.Conv2d(4, 6, 3, bias=False).eval()
    quick, x = packed(plain), noise(1, 4, 8, 8)
    with torch.inference_mode():
        quick(x)
    calls.clear()
    prune.l1_unstructured(quick, "weight", 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x), F.conv2d(x, quick.weight))
    assert not calls


def test_only_inference_mode_rules_gradients_out(calls: list[str]) -> None:
    plain = nn.Conv2d(4, 6, 3).eval()
    quick, x = packed(plain), noise(1, 4, 8, 8).requires_grad_()
    with torch.inference_mode():
        quick(x)
    calls.clear()
    found, wanted = (torch.autograd.grad(each(x).square().sum(), x)[0] for each in (quick, plain))
    torch.testing.assert_close(found, wanted)
    quick.weight.requires_grad_(False)
    assert quick(x.detach()).requires_grad  # of the bias
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x.detach(), torch.ones_like(x))
        assert forward_ad.unpack_dual(quick(dual)).tangent is not None
    assert not calls


def test_is_copied_and_saved_as_the_plain_one() -> None:
    plain = PointwiseConv2d(4, 6).eval()
    quick, x = packed(plain), noise(1, 4, 12, 12)
    assert quick.weight is plain.weight
    with torch.inference_mode():
        wanted = quick(x)
    assert list(quick.state_dict()) == ["weight"]
    for again in (copy.deepcopy(quick), pickle.loads(pickle.dumps(quick))):
        with torch.inference_mode():
            assert torch.equal(again(x), wanted)
        with torch.no_grad():
            again.weight.zero_()
        with torch.inference_mode():
            assert not again(x).any()
    with torch.inference_mode():
        assert torch.equal(quick(x), wanted)
    quick.weight = nn.Parameter(torch.zeros(6, 4, 1, 1))
    assert plain.weight.any()


def test_other_kinds_are_left_alone() -> None:
    class Other(nn.Conv2d):
        pass

    others = [
        Other(4, 6, 3),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 6, 3, padding="same"),
    ]
    for other in others:
        assert packed(other) is other


@torch.inference_mode()
def test_other_tensors_and_times_are_left_alone(calls: list[str]) -> None:
    with torch.inference_mode(False):
        quick = packed(nn.Conv2d(4, 6, 3).eval())
    x = noise(1, 4, 8, 8)
    assert quick(x[0]).shape == (6, 6, 6)  # without pictures
    assert quick(x[:0]).shape == (0, 6, 6, 6)
    with pytest.raises(RuntimeError, match="channels"):
        quick(noise(1, 3, 8, 8))
    with pytest.raises(RuntimeError, match="type"):
        quick(x.bfloat16())
    assert counted(lambda: quick(x)) == 2 * 4 * 6 * 9 * 36
    with torch.backends.mkldnn.flags(enabled=False):
        quick(x)
    quick.train()(x)
    assert copy.deepcopy(quick).to("meta").eval()(x.to("meta")).shape == (1, 6, 6, 6)
    assert not calls
    quick.eval()(x)
    assert calls


def test_the_first_one_draws_no_random_numbers() -> None:
    quick, x = packed(nn.Conv2d(4, 6, 3).eval()), noise(1, 4, 8, 8)
    packing._works.cache_clear()
    before = torch.get_rng_state()
    with torch.inference_mode():
        quick(x)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_broken_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, x = nn.Conv2d(4, 6, 3).eval(), noise(1, 4, 8, 8)
    quick = packed(plain)
    for broken in (lambda input, *_: torch.zeros(2, 7, 5, 4), lambda *_: torch.ops.mkldnn.gone()):
        packing._works.cache_clear()
        monkeypatch.setattr(packing, "_convolve", broken)
        with (
            pytest.warns(RuntimeWarning, match="oneDNN kernels are not used"),
            torch.inference_mode(),
        ):
            assert torch.equal(quick(x), plain(x))
    packing._works.cache_clear()
    monkeypatch.undo()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("error")
        torch.testing.assert_close(quick(x), plain(x), rtol=1e-5, atol=1e-5)
