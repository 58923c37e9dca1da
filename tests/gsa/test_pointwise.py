"""The 1x1 convolution of the networks is torch's own, whichever of its ways is taken."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gsa.pointwise import PointwiseConv2d


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pictures", [1, 16])  # few pixels, and many
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_a_plain_convolution_forward_and_backward(
    bias: bool,
    stride: int,
    pictures: int,
    memory: torch.memory_format,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    torch.manual_seed(0)
    ours = PointwiseConv2d(6, 10, stride=stride).to(dtype)
    if bias:  # as a folded network has it
        ours.bias = nn.Parameter(torch.randn(10, dtype=dtype))
    x = torch.randn(pictures, 6, 7, 5, dtype=dtype).to(memory_format=memory).requires_grad_()
    found = ours(x)
    wanted = F.conv2d(x, ours.weight, ours.bias, stride=stride)
    assert found.shape == wanted.shape == (pictures, 10, -(-7 // stride), -(-5 // stride))
    assert found.is_contiguous(memory_format=memory)
    slope = torch.randn_like(wanted)
    slopes = [torch.autograd.grad(out, (x, ours.weight), slope) for out in (found, wanted)]
    for a, b in zip((found, *slopes[0]), (wanted, *slopes[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_takes_what_a_plain_convolution_takes() -> None:
    ours = PointwiseConv2d(6, 10)
    assert ours(torch.zeros(0, 6, 7, 5)).shape == (0, 10, 7, 5)
    alone = torch.randn(6, 7, 5)
    torch.testing.assert_close(ours(alone), ours(alone[None])[0])
    with pytest.raises(RuntimeError, match="channels"):
        ours(torch.zeros(1, 5, 7, 7))


def test_its_weights_and_its_field_are_those_of_a_plain_convolution() -> None:
    ours, plain = PointwiseConv2d(4, 8), nn.Conv2d(4, 8, 1, bias=False)
    plain.load_state_dict(ours.state_dict())
    assert ours.dilation == plain.dilation == (1, 1)
    assert ours.kernel_size == plain.kernel_size


@pytest.mark.parametrize(
    ("dtype", "side", "dilations"),
    [
        (torch.float32, 12, [2]),  # oneDNN
        (torch.float32, 11, []),  # a product
        (torch.float64, 12, [1]),
        (torch.float64, 2, [1]),
    ],
)
def test_the_way_depends_on_type_and_pixels(
    dtype: torch.dtype, side: int, dilations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    convolve = F.conv2d

    def spy(*arguments: object, **options: object) -> torch.Tensor:
        seen.append(options["dilation"])
        return convolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(F, "conv2d", spy)
    PointwiseConv2d(2, 3).to(dtype)(torch.zeros(1, 2, side, side, dtype=dtype))
    assert seen == dilations


def test_few_pixels_count_with_all_pictures_and_after_the_stride(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    multiply = F.linear
    monkeypatch.setattr(F, "linear", lambda *given: calls.append(given) or multiply(*given))
    PointwiseConv2d(2, 3, stride=2)(torch.zeros(1, 2, 22, 22))
    assert len(calls) == 1
    PointwiseConv2d(2, 3)(torch.zeros(2, 2, 9, 9))
    assert len(calls) == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert PointwiseConv2d(2, 3)(torch.zeros(2, 2, 9, 9)).dtype == torch.bfloat16
    assert len(calls) == 2
