"""The fast positional steps give what the plain formulas give, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import functional, grad, gradcheck, gradgradcheck

from gsa import fast, native
from gsa.attention import GlobalSelfAttention
from gsa.formulas import by_pair, column_scores, column_step, row_scores, row_step

# one block; single cells; several pictures to a block; several blocks to a picture
SHAPES = [
    (2, 4, 3, 5, 5, 7),
    (3, 2, 4, 4, 1, 6),
    (1, 1, 2, 2, 3, 1),
    (9, 2, 4, 4, 40, 33),
    (1, 8, 2, 2, 60, 50),
]


def _tensors(
    shape: tuple[int, ...], dtype: torch.dtype, *, channels_last: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    b, h, d, e, y, x = shape
    generator = torch.Generator().manual_seed(0)

    def grid(channels: int) -> Tensor:
        flat = torch.randn(b, h * channels, y, x, generator=generator).to(dtype)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        split = flat.contiguous(memory_format=layout).unflatten(1, (h, channels))
        return split.detach().requires_grad_()

    r_c = torch.randn(2 * y - 1, d, generator=generator).to(dtype).requires_grad_()
    r_r = torch.randn(2 * x - 1, d, generator=generator).to(dtype).requires_grad_()
    return grid(d), grid(e), r_c, r_r


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.04)],
)
def test_steps_equal_the_plain_formulas(
    shape: tuple[int, ...], channels_last: bool, dtype: torch.dtype, tolerance: float
) -> None:
    q, v, r_c, r_r = _tensors(shape, dtype, channels_last=channels_last)
    ways = [
        (column_step(column_scores(q, r_c), v), fast.column_attention(q, by_pair(r_c), v), r_c),
        (row_step(row_scores(q, r_r), v), fast.row_attention(q, by_pair(r_r), v), r_r),
    ]
    for plain, quick, embeddings in ways:
        slope = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        wanted = grad(plain, (q, embeddings, v), slope)
        found = grad(quick, (q, embeddings, v), slope)
        for a, b in zip((plain, *wanted), (quick, *found), strict=True):
            assert (a - b).abs().max() <= tolerance * a.abs().max()


def test_gradients_are_those_of_finite_differences() -> None:
    q, v, r_c, r_r = _tensors((2, 2, 2, 3, 3, 4), torch.float64, channels_last=True)
    for step, pairs in ((fast.column_attention, by_pair(r_c)), (fast.row_attention, by_pair(r_r))):
        leaf = pairs.detach().requires_grad_()
        assert gradcheck(step, (q, leaf, v))


@pytest.mark.parametrize("side", [5, 30])
def test_module_is_the_same_in_both_ways(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = GlobalSelfAttention(6, 8, 2, (side, side), projection_norm="rms").double()
    x = torch.randn(2, 6, side, side, dtype=torch.float64, requires_grad=True)
    results = []
    for answer in (False, True):
        monkeypatch.setattr(fast, "pays", lambda q, answer=answer: answer)
        out = module(x)
        slopes = grad(out.square().sum(), (x, module.r_c, module.r_r))
        results.append((out, *slopes))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_the_fast_way_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object) -> Tensor:
        raise AssertionError("the fast way")

    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(fast, "column_attention", taken)
    module, x = GlobalSelfAttention(6, 8, 2, (8, 8)), torch.zeros(1, 6, 8, 8)
    with pytest.raises(AssertionError, match="the fast way"):
        module(x)
    with fast.switched_off():
        assert module(x).shape == (1, 8, 8, 8)
    assert not fast.pays(torch.zeros(1, 2, 4, 8, 8, device="meta"))


def _derivatives(module: GlobalSelfAttention, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """What `module` at `x` has of second and of batched derivatives."""

    def second() -> Tensor:
        (first,) = grad(module(x).square().sum(), x, create_graph=True)
        return grad(first.square().sum(), x)[0]

    def batched() -> Tensor:
        out = module(x)
        slopes = torch.stack([torch.ones_like(out), out.detach()])
        return grad(out, x, slopes, is_grads_batched=True)[0]

    return {
        "hessian": lambda: functional.hessian(lambda z: module(z).square().sum(), x),
        "second": second,
        "batched": batched,
        "jacobian": lambda: functional.jacobian(module, x, vectorize=True),
    }


@pytest.mark.parametrize("which", ["hessian", "second", "batched", "jacobian"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_and_batched_derivatives_are_refused_or_right(
    which: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    module = GlobalSelfAttention(3, 4, 2, (3, 2), projection_norm="rms").double().eval()
    x = torch.randn(1, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    with fast.switched_off():
        assert gradcheck(module, x)
        assert gradgradcheck(module, x)
        wanted = _derivatives(module, x)[which]()
    module, x = module.to(dtype), x.detach().to(dtype).requires_grad_()
    with pytest.raises(RuntimeError, match="make the forward pass inside `gsa.fast.switched_off"):
        _derivatives(module, x)[which]()
    with fast.switched_off():
        found = _derivatives(module, x)[which]()
    assert wanted.abs().max() > 0
    torch.testing.assert_close(found, wanted.to(dtype), rtol=1e-3, atol=1e-4)


def test_no_score_tensor_is_kept_for_the_backward_pass() -> None:
    q, v, r_c, _ = _tensors((1, 2, 4, 4, 32, 32), torch.float32, channels_last=True)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        fast.column_attention(q, by_pair(r_c), v)
        assert max(each.numel() for each in kept) < 2 * 32 * 32 * 32
        kept.clear()
        column_step(column_scores(q, r_c), v)
        assert max(each.numel() for each in kept) >= 2 * 32 * 32 * 32
