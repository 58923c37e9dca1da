"""The 1x1 convolution of the networks is torch's own, whichever of its ways is taken."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gsa.pointwise import PointwiseConv2d


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pictures", [1, 16])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_a_plain_convolution_forward_and_backward(
    stride: int, pictures: int, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    ours = PointwiseConv2d(6, 10, stride=stride).to(dtype)
    x = torch.randn(pictures, 6, 7, 5, dtype=dtype, requires_grad=True)
    found = ours(x)
    wanted = F.conv2d(x, ours.weight, stride=stride)
    assert found.shape == wanted.shape == (pictures, 10, -(-7 // stride), -(-5 // stride))
    slope = torch.randn_like(wanted)
    slopes = [torch.autograd.grad(out, (x, ours.weight), slope) for out in (found, wanted)]
    for a, b in zip((found, *slopes[0]), (wanted, *slopes[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_its_weights_and_its_field_are_those_of_a_plain_convolution() -> None:
    ours, plain = PointwiseConv2d(4, 8), nn.Conv2d(4, 8, 1, bias=False)
    plain.load_state_dict(ours.state_dict())
    assert ours.dilation == plain.dilation == (1, 1)
    assert ours.kernel_size == plain.kernel_size


@pytest.mark.parametrize(("dtype", "dilation"), [(torch.float32, 2), (torch.float64, 1)])
def test_onednn_is_asked_for_in_single_precision(
    dtype: torch.dtype, dilation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    convolve = F.conv2d

    def spy(*arguments: object, **options: object) -> torch.Tensor:
        seen.append(options["dilation"])
        return convolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(F, "conv2d", spy)
    PointwiseConv2d(2, 3).to(dtype)(torch.zeros(1, 2, 4, 4, dtype=dtype))
    assert seen == [dilation]
