"""The Triton content branch gives what the plain formulas give, and compiles without a GPU."""

import warnings

import pytest
import torch
from torch import Tensor

from gsa import fast, kernel_checks, native, triton_content, triton_gate
from gsa.attention import GlobalSelfAttention, content_branch
from gsa.kernel_checks import plain_content_branch
from tests.gsa import kernel_support
from tests.gsa.triton_support import (
    DEVICE,
    bfloat16,
    compile_only,
    compiles,
    on_gpu,
    run_in_the_interpreter,
    runs,
    stack,
    with_triton,
)


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    """q, k and v for (b, h, d, e, y, x), in channels-last memory."""
    b, h, d, e, y, x = shape
    return [
        kernel_checks.noise(b, y, x, h, channels, seed=seed)
        .to(DEVICE, dtype)
        .permute(0, 3, 4, 1, 2)
        for seed, channels in enumerate((d, d, e))
    ]


def compare(tensors: list[Tensor], slope: Tensor | None = None, *, least: float = 0.0) -> None:
    kernel_support.compare(
        plain_content_branch, triton_content.content_branch, tensors, slope, least=least
    )


SHAPES = [  # b, h, d, e, y, x
    (2, 8, 8, 8, 5, 7),  # one group in half precision, two in single
    (1, 1, 16, 16, 1, 2),
    (2, 3, 3, 5, 9, 15),  # no power of two, d is not e, more than two tiles
    (1, 3, 32, 32, 3, 3),  # in half precision the last group is not full
    (2, 5, 8, 8, 3, 3),  # in single precision
    (1, 2, 64, 48, 2, 40),
]


@with_triton
@runs
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, bfloat16])
def test_the_branch_equals_the_plain_formulas(
    shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_gate, "multiprocessors", lambda _: 132)  # several shares
    compare(inputs(shape, dtype))


@with_triton
@runs
def test_keys_of_any_size_are_taken() -> None:
    q, k, v = inputs((1, 2, 8, 8, 12, 12), torch.float32)
    ramp = torch.linspace(-1e4, 1e4, 144, device=DEVICE).view(12, 12)
    # the largest key at the end or at the start; where it takes all, its gradient is zero
    for keys in (k + 1e4, k - 1e4, k * 50, k + ramp, k - ramp):
        compare([q, keys, v], least=1.0)
    compare(inputs((1, 1, 16, 16, 1, 1), torch.float32), least=1.0)  # it decides nothing


@with_triton
@runs
def test_any_memory_is_read_right() -> None:
    q, k, v = inputs((2, 2, 8, 8, 4, 5), torch.float32)
    compare([q.contiguous(), k, v.contiguous()])
    both = torch.cat([each.flatten(1, 2) for each in (q, k, v)], dim=1)
    both = both.contiguous(memory_format=torch.channels_last)
    of_both = [each.unflatten(1, (2, 8)) for each in both.chunk(3, dim=1)]
    assert [triton_content._by_pixel(each).data_ptr() for each in of_both] == [
        each.data_ptr() for each in of_both
    ]  # read where it lies
    compare(of_both)
    part = (slice(None, None, 2), slice(None), slice(None), slice(1, None), slice(1, 4))
    compare([q[part], k[part], v[part]])
    compare([q, k, v], slope=torch.ones((), device=DEVICE).expand(v.shape))


@with_triton
@runs
def test_kernels_pass_their_own_examination() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert triton_content._works(DEVICE, torch.float32, "ieee", 2, 8, 8)


@with_triton
@compiles
def test_kernels_in_the_interpreter() -> None:
    passed = run_in_the_interpreter(
        __file__,
        test_the_branch_equals_the_plain_formulas,
        test_keys_of_any_size_are_taken,
        test_any_memory_is_read_right,
        test_kernels_pass_their_own_examination,
    )
    assert passed >= 15


def test_wrong_kernels_are_left_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_the_sums(k: Tensor, v: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        raise ZeroDivisionError("no\nsums")

    monkeypatch.setattr(triton_content, "_context", without_the_sums)
    triton_content._works.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert not triton_content._works(torch.device("cpu"), torch.float32, "ieee", 2, 4, 4)
    triton_content._works.cache_clear()
    assert len(caught) == 1
    assert "some content branches" in str(caught[0].message)
    assert str(caught[0].message).endswith("ZeroDivisionError: no.")


def test_other_tensors_are_not_taken() -> None:
    q = torch.zeros(2, 2, 8, 4, 4)
    assert not triton_content.available(q, q, q)


def test_the_layer_takes_the_faster_way_recorded_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, taken = GlobalSelfAttention(8, 8, 2, (3, 4)).eval(), []

    def quick(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        taken.append(q.shape)
        return plain_content_branch(q, k, v)

    class Recorder:
        def layer(self, name: str, **tensors: Tensor) -> None:
            self.names = set(tensors)

    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(triton_content, "available", lambda *_: True)
    monkeypatch.setattr(triton_content, "content_branch", quick)
    x, recorder = torch.randn(2, 8, 3, 4), Recorder()
    with torch.inference_mode():
        out = layer(x)
        assert taken == [(2, 2, 4, 3, 4)]
        assert torch.equal(layer(x, recorder), out)
        assert len(taken) == 2
        assert {"rho", "content"} <= recorder.names
        layer.reach = 1
        layer(x)
        assert len(taken) == 2


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path) -> list:
    """The kernels of the branch, compiled as they would be launched."""
    from gsa import triton_content_kernels as kernels

    names = ("gather", "combine", "spread", "query_gradient", "key_value_gradients")
    return compile_only(monkeypatch, tmp_path, triton_content, kernels, *names)


@with_triton
@compiles
@pytest.mark.parametrize(
    ("dtype", "d", "n"),
    [(torch.bfloat16, 8, 56), (torch.float16, 64, 7), (torch.float32, 8, 28)],
)
def test_kernels_compile_without_a_gpu(dtype: torch.dtype, d: int, n: int, compiled: list) -> None:
    q = torch.zeros(1, n, n, 8, d, dtype=dtype).permute(0, 3, 4, 1, 2).requires_grad_()
    triton_content.content_branch(q, q, q).sum().backward()
    assert len(compiled) == 5
    for kernel in compiled:
        assert kernel.asm["cubin"]
        assert kernel.metadata.shared <= 227 * 1024
        ptx = kernel.asm["ptx"]
        assert stack(kernel.asm["cubin"]) <= 32  # bytes: the sums are in registers
        if kernel.metadata.name == "combine":
            continue
        product = "fma.rn.f32" if dtype == torch.float32 else "mma"  # on tensor cores
        assert product in ptx
        assert "ld.global.v4" in ptx or "cp.async.cg" in ptx  # 16 bytes at a time


@on_gpu
@with_triton
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("d", "n"), [(8, 56), (16, 28), (32, 14), (64, 7)])
def test_sizes_of_a_network(d: int, n: int, dtype: torch.dtype) -> None:
    tensors = inputs((2, 8, d, d, n, n), dtype)
    assert triton_content.available(*tensors)
    compare(tensors)


@on_gpu
@with_triton
def test_a_run_repeats_to_the_bit() -> None:
    tensors = inputs((8, 8, 8, 8, 56, 56), torch.bfloat16)
    kernel_support.compare_two_runs(triton_content.content_branch, tensors)


@on_gpu
@with_triton
def test_autocast_and_switches_are_heeded() -> None:
    q, k, v = inputs((2, 2, 8, 8, 5, 5), torch.float32)
    with torch.autocast("cuda", torch.bfloat16):
        assert triton_content.available(q, k, v)
        assert content_branch(q, k, v).dtype == torch.bfloat16
    assert not triton_content.available(q.double(), k.double(), v.double())
    with fast.switched_off():
        assert not triton_content.available(q, k, v)
