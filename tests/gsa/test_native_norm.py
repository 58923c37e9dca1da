"""The query norm in C++ is that of the formula, forward and backward."""

import pytest
import torch
from torch import Tensor

from gsa import fast, native, native_norm
from gsa.attention import QueryNorm
from gsa.formulas import normalise_queries
from gsa.kernel_checks import noise
from tests.gsa.kernel_support import TOLERANCES, calls

pytestmark = pytest.mark.skipif(not native._compilers(), reason="needs Linux and a compiler")

SHAPES = [  # b, h, d, y, x
    (2, 3, 8, 5, 7),
    (1, 1, 1, 1, 1),
    (1, 2, 3, 18, 2),
    (3, 5, 12, 4, 33),
    (1, 8, 16, 28, 28),
    (2, 3, 64, 7, 7),
]


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    b, h, d, y, x = shape
    q = noise(b, y, x, h * d).permute(0, 3, 1, 2).to(dtype)
    return q, noise(h * d, seed=1).to(dtype), noise(h * d, seed=2).to(dtype)


def results(norm, tensors, heads, slope):
    given = [each.detach().requires_grad_() for each in tensors]
    out = norm(*given, heads, 1e-5)
    return [out, *torch.autograd.grad(out, given, slope.to(out))]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_result_and_gradients_are_those_of_the_formula(shape, dtype, threads):
    tensors, heads = inputs(shape, dtype), shape[1]
    slope = noise(*tensors[0].shape, seed=3).to(dtype)
    wanted = results(normalise_queries, [each.double() for each in tensors], heads, slope)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert native_norm.available(tensors[0], heads)
        found = results(native_norm.query_norm, tensors, heads, slope)
        again = results(native_norm.query_norm, tensors, heads, slope)
    finally:
        torch.set_num_threads(before)
    for exact, quick, repeated in zip(wanted, found, again, strict=True):
        assert quick.dtype == dtype
        assert torch.equal(quick, repeated)
        # of one channel the gradient of the queries is zero but for eps and rounding
        largest = exact.abs().max().clamp(min=1e-2)
        assert (exact - quick).abs().max() <= TOLERANCES[dtype] * largest
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_any_memory_is_read_right():
    q, gain, bias = inputs((2, 2, 8, 4, 5), torch.float32)
    slope = torch.ones(()).expand(q.shape)
    wanted = results(native_norm.query_norm, (q, gain, bias), 2, slope.contiguous())
    strided = torch.stack([gain, bias], 1)
    found = results(
        native_norm.query_norm, (q.contiguous(), strided[:, 0], strided[:, 1]), 2, slope
    )
    for a, b in zip(wanted, found, strict=True):
        assert torch.equal(a, b)


def test_queries_of_zero_stay_finite():
    q, gain, bias = inputs((1, 2, 8, 4, 5), torch.float32)
    out, *slopes = results(native_norm.query_norm, (0 * q, gain, bias), 2, torch.ones_like(q))
    assert torch.equal(out, bias[:, None, None].expand(out.shape[1:])[None])
    assert all(each.isfinite().all() for each in slopes)


def test_the_layer_takes_it_where_it_may():
    layer, q = QueryNorm(16, 2), torch.randn(2, 16, 4, 5)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    assert native_norm._works(torch.float32, 8)
    with calls() as called:
        quick = layer(q)
        assert called == ["gsa_norm"]
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(q).dtype == torch.float32  # as of the formula
            assert layer(q.bfloat16()).dtype == torch.bfloat16
        called.clear()
        with fast.switched_off():
            plain = layer(q)
        layer.double()(q.double())
        assert called == []
    torch.testing.assert_close(quick, plain)
