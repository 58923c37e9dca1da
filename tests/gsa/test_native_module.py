"""Both branches in one call give what the formulas give, and are taken where that is allowed."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gsa import fast, native, native_module
from gsa.attention import GlobalSelfAttention
from gsa.kernel_checks import noise, plain_branches
from tests.gsa.kernel_support import TOLERANCES, calls

pytestmark = pytest.mark.skipif(not native._compilers(), reason="needs Linux and a compiler")

SHAPES = [  # b, h, d, y, x
    (2, 3, 8, 5, 7),
    (1, 1, 1, 1, 1),
    (1, 2, 3, 18, 2),  # channels and cells that fill no register
    (3, 5, 12, 4, 33),  # heads that are no pairs
    (1, 8, 8, 56, 56),
    (1, 7, 64, 7, 7),
]


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    b, h, d, y, x = shape
    q, k, v = (noise(b, y, x, h * d, seed=n).permute(0, 3, 1, 2).to(dtype) for n in range(3))
    r_c, r_r = noise(2 * y - 1, d, seed=3), noise(2 * x - 1, d, seed=4)
    return q, k, v, r_c, (noise(h, d, seed=5), noise(h, d, seed=6)), r_r  # type: ignore[return-value]


@pytest.fixture
def called() -> Iterator[list[str]]:
    """Names of the functions of the library as they are called."""
    with calls() as names:
        yield names


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_branches_and_their_sum_are_those_of_the_formulas(shape, dtype, threads):
    q, k, v, r_c, affine, r_r = inputs(shape, dtype)
    exact = plain_branches(q.double(), k.double(), v.double(), r_c.double(), affine, r_r.double())
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            assert native_module.available(q, k, v, shape[1])
            found = native_module.branches(q, k, v, r_c, affine, r_r, apart=True)
            alone = native_module.branches(q, k, v, r_c, affine, r_r)
    finally:
        torch.set_num_threads(before)
    for name, wanted, out in zip(found._fields, exact, found, strict=True):
        assert out.dtype == dtype, name
        assert out.is_contiguous(memory_format=torch.channels_last), name
        error = (wanted - out).abs().max() / wanted.abs().max()
        assert error <= TOLERANCES[dtype], name
    assert torch.equal(alone.output, found.output)
    assert alone.content is alone.positional is None
    if dtype == torch.float32:
        assert torch.equal(found.output, found.content + found.positional)


def test_any_memory_is_read_right():
    q, k, v, r_c, affine, r_r = inputs((2, 2, 8, 4, 5), torch.float32)
    with torch.inference_mode():
        wanted = native_module.branches(q, k, v, r_c, affine, r_r).output
        other = [each.contiguous() for each in (q, k, v)]
        turned = [each.t().contiguous().t() for each in (r_c, *affine, r_r)]
        found = native_module.branches(*other, turned[0], (turned[1], turned[2]), turned[3])
        assert torch.equal(found.output, wanted)


def test_the_module_takes_one_call_inside_inference_mode_alone(called):
    module, x = GlobalSelfAttention(6, 8, 2, (8, 8)).eval(), torch.randn(1, 6, 8, 8)
    assert all(native_module._works(dtype, 4) for dtype in (torch.float32, torch.bfloat16))
    called.clear()
    with torch.no_grad():
        wanted = module(x)
    assert "gsa_module" not in called
    called.clear()
    with torch.inference_mode():
        torch.testing.assert_close(module(x), wanted)
        assert called == ["gsa_module"]
        with fast.switched_off():
            torch.testing.assert_close(module(x), wanted)
        assert called == ["gsa_module"]
        with torch.autocast("cpu", torch.bfloat16):
            half = module(x)
        assert called == ["gsa_module"] * 2
        assert half.dtype == torch.bfloat16
        assert (half - wanted).abs().max() <= TOLERANCES[torch.bfloat16] * wanted.abs().max()


NORMS = {
    "norm": torch.nn.Identity(),
    "statistics": torch.nn.BatchNorm2d(8, track_running_stats=False),
    "affine": torch.nn.BatchNorm2d(8, affine=False),
}


@pytest.mark.parametrize(
    "change", ["training", "reach", "no content", "row", "hook", "everywhere", "forward", *NORMS]
)
def test_what_is_not_that_module_goes_step_by_step(called, change, request):
    options = {"no content": {"content": False}, "row": {"positional": "row"}}.get(change, {})
    module, x = GlobalSelfAttention(6, 8, 2, (8, 8), **options).eval(), torch.randn(2, 6, 8, 8)
    seen: list[torch.nn.Module] = []
    note = lambda module, *_: seen.append(module)  # noqa: E731
    if change == "training":
        module.train()
    elif change == "reach":
        module.reach = 2
    elif change == "hook":
        module.step_norm.register_forward_hook(note)
    elif change == "everywhere":
        hook = torch.nn.modules.module.register_module_forward_hook(note)
        request.addfinalizer(hook.remove)
    elif change == "forward":
        module.step_norm.forward = lambda u: 0 * u
    elif change in NORMS:
        module.step_norm = NORMS[change].eval()
    with torch.inference_mode():
        module(x)
    assert called.count("gsa_module") == 0
    assert "gsa_step" in called
    assert (getattr(module, "step_norm", None) in seen) == (change in ("hook", "everywhere"))


def test_a_traced_module_is_that_of_the_formulas():
    module, x = GlobalSelfAttention(6, 8, 2, (8, 8)).eval(), torch.randn(1, 6, 8, 8)
    with torch.inference_mode():
        traced = torch.jit.trace(module, x)
        other = torch.randn(1, 6, 8, 8)
        torch.testing.assert_close(traced(other), module(other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_between_the_steps_is_that_of_the_module(dtype):
    module = GlobalSelfAttention(6, 8, 2, (8, 8))
    for _ in range(3):
        module(torch.randn(4, 6, 8, 8))
    torch.nn.init.normal_(module.step_norm.weight)
    torch.nn.init.normal_(module.step_norm.bias)
    module.eval().to(dtype)
    x = torch.randn(1, 6, 8, 8, dtype=dtype)
    with torch.inference_mode():
        found = module(x)
        with fast.switched_off():
            wanted = module.double()(x.double())
    assert (found - wanted).abs().max() <= TOLERANCES[dtype] * wanted.abs().max()


def test_embeddings_of_another_length_are_refused():
    q, k, v, r_c, affine, r_r = inputs((1, 2, 8, 4, 5), torch.float32)
    with torch.inference_mode(), pytest.raises(ValueError, match=r"must be \(7, 8\) on cpu, not"):
        native_module.branches(q, k, v, r_r, affine, r_r)
    with torch.inference_mode(), pytest.raises(ValueError, match=r"must be \(9, 8\) on cpu, not"):
        native_module.branches(q, k, v, r_c, affine, r_c)
    gain, offset = affine
    for wrong in ((gain.to("meta"), offset), (gain, offset[:1]), (gain[:, :4], offset[:, :4])):
        with torch.inference_mode(), pytest.raises(ValueError, match="Gain and offset must be"):
            native_module.branches(q, k, v, r_c, wrong, r_r)
