"""The Triton steps give what the plain formulas give, and compile for GPUs that are not there."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor

from gsa import fast, triton_steps
from gsa.kernel_checks import plain_column_step, plain_row_step
from tests.gsa import kernel_support
from tests.gsa.triton_support import (
    DEVICE,
    bfloat16,
    compile_only,
    compiles,
    on_gpu,
    run_in_the_interpreter,
    runs,
    with_triton,
)

AXES = {
    -2: (plain_column_step, triton_steps.column_attention),
    -1: (plain_row_step, triton_steps.row_attention),
}


def inputs(shape: tuple[int, ...], dtype: torch.dtype, axis: int) -> list[Tensor]:
    """q, table and v for (b, h, d, e, y, x), in channels-last memory."""
    b, h, d, e, y, x = shape
    generator = torch.Generator().manual_seed(0)
    n = y if axis == -2 else x
    q, v = (torch.randn(b, y, x, h, channels, generator=generator) for channels in (d, e))
    table = torch.randn(2 * n - 1, d, generator=generator)
    placed = [each.to(DEVICE, dtype) for each in (q, table, v)]
    return [each.permute(0, 3, 4, 1, 2) if each.dim() == 5 else each for each in placed]


def compare(tensors: list[Tensor], axis: int, slope: Tensor | None = None) -> None:
    kernel_support.compare(*AXES[axis], tensors, slope)


SHAPES = [  # b, h, d, e, y, x
    (2, 3, 8, 8, 5, 7),
    (1, 1, 16, 16, 1, 1),
    (2, 1, 3, 5, 18, 2),  # no power of two, d is not e, more than one tile
    (1, 2, 64, 64, 2, 3),
    (1, 2, 32, 8, 3, 19),
]


@with_triton
@runs
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, bfloat16])
def test_steps_equal_the_plain_formulas(
    shape: tuple[int, ...], axis: int, dtype: torch.dtype
) -> None:
    compare(inputs(shape, dtype, axis), axis)


@with_triton
@runs
@pytest.mark.parametrize("axis", [-2, -1])
def test_any_memory_is_read_right(axis: int) -> None:
    shape = (2, 2, 8, 8, 4, 5)
    q, table, v = inputs(shape, torch.float32, axis)
    compare([q.contiguous(), table.t().contiguous().t(), v.contiguous()], axis)
    both = torch.cat((q.flatten(1, 2), v.flatten(1, 2)), dim=1)
    both = both.contiguous(memory_format=torch.channels_last)
    of_both = [each.unflatten(1, (2, 8)) for each in both.chunk(2, dim=1)]
    assert [triton_steps._pixelwise(each).data_ptr() for each in of_both] == [
        each.data_ptr() for each in of_both
    ]  # read where it lies
    compare([of_both[0], table, of_both[1]], axis)
    part = (slice(None, None, 2), slice(None), slice(None), slice(1, None))
    compare([q[part], table[1:-1] if axis == -2 else table, v[part]], axis)
    compare([q, table, v], axis, slope=torch.ones((), device=DEVICE).expand(v.shape))


@with_triton
@runs
def test_only_wanted_gradients_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    q, table, v = inputs((1, 1, 4, 4, 3, 3), torch.float32, -2)
    for name in ("_query_gradient", "_table_gradient"):
        monkeypatch.setattr(triton_steps, name, None)
    out = triton_steps.column_attention(q, table, v.requires_grad_())
    (grad,) = torch.autograd.grad(out.square().sum(), v)
    assert grad.abs().sum() > 0


@with_triton
@runs
def test_kernels_pass_their_own_examination() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert triton_steps._works(DEVICE, torch.float32, "ieee", 2, 8, 8, 5)


def test_wrong_kernels_are_left_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_steps, "_attend", lambda q, r, x, *_, **__: x * torch.nan)
    monkeypatch.setattr(triton_steps, "_query_gradient", lambda q, *_: torch.zeros_like(q))
    monkeypatch.setattr(triton_steps, "_table_gradient", lambda *_: torch.zeros(9, 4))
    triton_steps._works.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert not triton_steps._works(torch.device("cpu"), torch.float32, "ieee", 2, 4, 4, 5)
    triton_steps._works.cache_clear()
    assert len(caught) == 1
    assert "the relative error is nan" in str(caught[0].message)


def test_other_tensors_are_not_taken() -> None:
    q = torch.zeros(2, 2, 8, 4, 4)
    assert not triton_steps.available(q, q, -2)


def test_the_core_needs_no_triton() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import gsa, gsa.attention, gsa.triton_steps as steps, torch\n"
        "import gsa.triton_content as content\n"
        "from gsa import triton_gate\n"
        "print(triton_gate.installed())\n"
        "print(steps._works(torch.device('cpu'), torch.float32, 'ieee', 1, 4, 4, 5))\n"
        "print(content._works(torch.device('cpu'), torch.float32, 'ieee', 1, 4, 4))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3
    for what in ("positional steps", "content branches"):
        assert f"the Triton kernels are not used for some {what}" in done.stderr


@with_triton
@compiles
def test_kernels_in_the_interpreter() -> None:
    passed = run_in_the_interpreter(
        __file__,
        test_steps_equal_the_plain_formulas,
        test_any_memory_is_read_right,
        test_only_wanted_gradients_are_computed,
        test_kernels_pass_their_own_examination,
    )
    assert passed >= 24


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path) -> list:
    """The kernels of the steps, compiled as they would be launched."""
    from gsa import triton_kernels

    names = ("attend", "query_gradient", "table_gradient")
    return compile_only(monkeypatch, tmp_path, triton_steps, triton_kernels, *names)


@with_triton
@compiles
@pytest.mark.parametrize(
    ("dtype", "d", "n"),
    [(torch.bfloat16, 8, 56), (torch.float16, 64, 7), (torch.float32, 8, 28)],
)
def test_kernels_compile_without_a_gpu(dtype: torch.dtype, d: int, n: int, compiled: list) -> None:
    q = torch.zeros(1, n, n, 8, d, dtype=dtype).permute(0, 3, 4, 1, 2).requires_grad_()
    table = torch.zeros(2 * n - 1, d, requires_grad=True)
    triton_steps.column_attention(q, table, q).sum().backward()
    assert len(compiled) == 4
    for kernel in compiled:
        assert kernel.asm["cubin"]
        assert kernel.metadata.shared <= 227 * 1024
        ptx = kernel.asm["ptx"]
        product = "fma.rn.f32" if dtype == torch.float32 else "mma.sync"  # on tensor cores
        assert 0 < ptx.rfind(product) < ptx.find("st.global")  # results are written, no scores
        pipelined = dtype == torch.bfloat16
        assert ("cp.async.cg" if pipelined else "ld.global.v4") in ptx  # 16 bytes at a time


@on_gpu
@with_triton
@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("d", "n"), [(8, 56), (16, 28), (32, 14), (64, 7)])
def test_sizes_of_a_network(d: int, n: int, dtype: torch.dtype, axis: int) -> None:
    tensors = inputs((2, 8, d, d, n, n), dtype, axis)
    assert triton_steps.available(tensors[0], tensors[2], axis)
    compare(tensors, axis)


@on_gpu
@with_triton
def test_a_run_repeats_to_the_bit() -> None:
    tensors = inputs((8, 8, 8, 8, 56, 56), torch.bfloat16, -2)
    kernel_support.compare_two_runs(triton_steps.column_attention, tensors)


@on_gpu
@with_triton
def test_autocast_and_switches_are_heeded() -> None:
    q, table, v = inputs((2, 2, 8, 8, 5, 5), torch.float32, -2)
    with torch.autocast("cuda", torch.bfloat16):
        assert triton_steps.available(q, v, -2)
        assert triton_steps.column_attention(q, table, v).dtype == torch.bfloat16
    assert not triton_steps.available(q.double(), v.double(), -2)
    with fast.switched_off():
        assert not triton_steps.available(q, v, -2)
