"""A packed convolution is the same convolution."""

import copy
import pickle
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from gsa import packing
from gsa.costs import counted
from gsa.packing import PackedConv2d, packed
from gsa.pointwise import PointwiseConv2d

CONVOLUTIONS = [
    lambda: nn.Conv2d(3, 8, 7, stride=2, padding=3),
    lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
    lambda: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2),
    lambda: PointwiseConv2d(5, 9),
    lambda: PointwiseConv2d(5, 9, stride=2),
]


def pixels(channels: int, *shape: int) -> Tensor:
    """Something to convolve, (b, channels, y, x)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape[0], channels, *shape[1:], generator=generator)


@pytest.fixture
def asked() -> Iterator[list[Tensor]]:
    """The inputs that packed weights were taken for."""
    taken: list[Tensor] = []
    convolve = packing._convolve

    def noted(input: Tensor, *given: object) -> Tensor:
        taken.append(input)
        return convolve(input, *given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        for dtype in (torch.float32, torch.bfloat16):
            packing._works(dtype)  # not among them
        patch.setattr(packing, "_convolve", noted)
        yield taken


@pytest.mark.parametrize("make", CONVOLUTIONS)
@pytest.mark.parametrize("shape", [(1, 7, 7), (2, 20, 17), (1, 1, 1)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_equals_the_plain_one(
    make: type[nn.Conv2d],
    shape: tuple[int, ...],
    memory: torch.memory_format,
    asked: list[Tensor],
) -> None:
    torch.manual_seed(1)
    plain = make()
    quick = packed(plain)
    x = pixels(plain.in_channels, *shape).to(memory_format=memory)
    with torch.no_grad():
        torch.testing.assert_close(quick(x), plain(x), rtol=1e-5, atol=1e-5)
        assert len(asked) == 1
        other = pixels(plain.in_channels, 3, 12, 9)  # weights stay packed for another size
        torch.testing.assert_close(quick(other), plain(other), rtol=1e-5, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            found, wanted = quick(x), plain(x)
        assert found.dtype == wanted.dtype == torch.bfloat16
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02)
        torch.testing.assert_close(quick.double()(x.double()), plain.double()(x.double()))


def test_follows_a_change_of_the_weights(asked: list[Tensor]) -> None:
    plain, new = nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3)
    quick, x = packed(plain), pixels(4, 1, 8, 8)
    with torch.inference_mode():
        quick(x)
        quick.load_state_dict(new.state_dict())
        torch.testing.assert_close(quick(x), new(x), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        quick.bias.add_(1)
        torch.testing.assert_close(quick(x), new(x) + 1, rtol=1e-5, atol=1e-5)
    assert len(asked) == 3


def test_gradients_are_those_of_the_plain_one(asked: list[Tensor]) -> None:
    plain = nn.Conv2d(4, 6, 3)
    quick, x = packed(plain), pixels(4, 1, 8, 8).requires_grad_()
    with torch.no_grad():
        quick(x)
    asked.clear()
    found, wanted = (torch.autograd.grad(each(x).square().sum(), x)[0] for each in (quick, plain))
    torch.testing.assert_close(found, wanted)
    assert not asked


def test_is_copied_and_saved_as_the_plain_one() -> None:
    plain = PointwiseConv2d(4, 6)
    quick, x = packed(plain), pixels(4, 1, 12, 12)
    assert quick.weight is plain.weight
    with torch.no_grad():
        wanted = quick(x)
        assert list(quick.state_dict()) == ["weight"]
        for again in (copy.deepcopy(quick), pickle.loads(pickle.dumps(quick))):
            assert torch.equal(again(x), wanted)
            again.weight.zero_()
            assert not again(x).any()
        assert torch.equal(quick(x), wanted)


def test_other_kinds_and_tensors_are_left_alone(asked: list[Tensor]) -> None:
    class Other(nn.Conv2d):
        pass

    other = Other(4, 6, 3)
    assert packed(other) is other
    quick = packed(nn.Conv2d(4, 6, 3))
    with torch.no_grad():
        assert quick(pixels(4, 1, 8, 8)[0]).shape == (6, 6, 6)  # without pictures
        assert quick(pixels(4, 0, 8, 8)).shape == (0, 6, 6, 6)
        with pytest.raises(RuntimeError, match="channels"):
            quick(pixels(3, 1, 8, 8))
        assert counted(lambda: quick(pixels(4, 1, 8, 8))) == 2 * 4 * 6 * 9 * 36
        assert quick.to("meta")(pixels(4, 1, 8, 8).to("meta")).shape == (1, 6, 6, 6)
    assert not asked


def test_what_is_broken_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, x = nn.Conv2d(4, 6, 3), pixels(4, 1, 8, 8)
    quick = packed(plain)
    for broken in (lambda input, *_: torch.zeros(2, 7, 5, 4), lambda *_: torch.ops.mkldnn.gone()):
        packing._works.cache_clear()
        monkeypatch.setattr(packing, "_convolve", broken)
        with pytest.warns(RuntimeWarning, match="oneDNN kernels are not used"), torch.no_grad():
            assert torch.equal(quick(x), plain(x))
    packing._works.cache_clear()
    monkeypatch.undo()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        assert isinstance(quick, PackedConv2d)
        torch.testing.assert_close(quick(x), plain(x), rtol=1e-5, atol=1e-5)
