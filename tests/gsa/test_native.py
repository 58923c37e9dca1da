"""The C++ kernels give what the plain formulas give, and are done without where they cannot be."""

import ctypes
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
import torch._dynamo.compiled_autograd
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from gsa import (
    fast,
    kernel_checks,
    native,
    native_content,
    native_module,
    native_norm,
    native_steps,
)
from gsa.attention import GlobalSelfAttention, column_attention, content_branch
from gsa.costs import counted
from gsa.kernel_checks import plain_column_step, plain_content_branch, plain_row_step
from tests.gsa.kernel_support import calls, compare, compare_two_runs

with_compiler = pytest.mark.skipif(not native._compilers(), reason="needs Linux and a compiler")

WAYS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "column": (plain_column_step, native_steps.column_attention),
    "row": (plain_row_step, native_steps.row_attention),
    "content": (plain_content_branch, native_content.content_branch),
}
SHAPES = [  # b, h, d, y, x
    (2, 3, 8, 5, 7),
    (1, 1, 1, 1, 1),
    (1, 2, 3, 18, 2),  # channels and cells that fill no register
    (3, 2, 12, 4, 33),
    (1, 8, 8, 56, 56),
    (2, 2, 16, 17, 16),
    (1, 3, 64, 7, 7),
    (2, 1, 33, 40, 3),
]


def inputs(way: str, shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    """Queries, a table or keys, and values, in channels-last memory."""
    b, h, d, y, x = shape

    def grid(seed: int) -> Tensor:
        return kernel_checks.noise(b, y, x, h, d, seed=seed).to(dtype).permute(0, 3, 4, 1, 2)

    n = y if way == "column" else x
    second = grid(2) if way == "content" else kernel_checks.noise(2 * n - 1, d, seed=2).to(dtype)
    return [grid(0), second, grid(1)]


@pytest.fixture
def without_library() -> Iterator[None]:
    """Nothing is known of the library, before the test or after it."""
    native._library.cache_clear()
    yield
    native._library.cache_clear()


@with_compiler
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_equal_the_plain_formulas(
    way: str, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    tensors = inputs(way, shape, dtype)
    assert native.takes(tensors[0], tensors[2], channels=shape[2])
    # of a single pixel no gradient reaches the keys: what is left is rounding
    compare(*WAYS[way], tensors, least=1e-3)


@with_compiler
@pytest.mark.parametrize("way", WAYS)
def test_any_memory_is_read_right(way: str) -> None:
    q, second, v = inputs(way, (2, 2, 8, 4, 5), torch.float32)
    scattered = second.contiguous() if second.dim() == 5 else second.t().contiguous().t()
    compare(*WAYS[way], [q.contiguous(), scattered, v.contiguous()])
    compare(*WAYS[way], [q, second, v], slope=torch.ones(()).expand(v.shape))
    images = slice(None, None, 2)
    few = second[images] if second.dim() == 5 else second
    compare(*WAYS[way], [q[images], few, v[images]])


@with_compiler
@pytest.mark.parametrize("way", WAYS)
def test_half_precision_is_rounded_once(way: str) -> None:
    """Sums are those of single precision, and results the nearest, ties to even."""
    tensors = inputs(way, (1, 3, 8, 5, 19), torch.bfloat16)
    tensors[2][0, 1, 4, 3, 2] = torch.nan
    exact = WAYS[way][1](*(each.float() for each in tensors))
    found = WAYS[way][1](*tensors)
    assert torch.equal(found.isnan(), exact.isnan())
    assert torch.equal(found.nan_to_num(), exact.bfloat16().nan_to_num())
    assert exact.isnan().any()


@with_compiler
@pytest.mark.parametrize("way", WAYS)
def test_a_run_repeats_to_the_bit_with_several_threads(way: str) -> None:
    tensors, threads = inputs(way, (3, 2, 16, 20, 21), torch.float32), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        compare(*WAYS[way], tensors)
        compare_two_runs(WAYS[way][1], tensors)
    finally:
        torch.set_num_threads(threads)


@with_compiler
@pytest.mark.parametrize("way", WAYS)
def test_unusual_numbers_go_where_the_formulas_send_them(way: str) -> None:
    q, second, v = inputs(way, (1, 2, 8, 5, 6), torch.float32)
    v[0, 1, 3, 2, 4] = torch.nan
    q[0, 0, 1, 3, 3] = torch.inf
    plain, quick = (each(q, second, v) for each in WAYS[way])
    assert torch.equal(plain.isfinite(), quick.isfinite())


@with_compiler
def test_no_key_is_too_large() -> None:
    """As in a softmax, forward and backward; a channel without any finite key has no weights."""
    q, k, v = inputs("content", (1, 2, 8, 9, 9), torch.float32)
    for size, offset in ((1e4, 0.0), (1.0, 1e4)):
        compare(*WAYS["content"], [q, (size * k + offset).detach(), v], least=1e-3)
    k[:, :, 3] = -torch.inf
    plain, quick = (each(q, k, v) for each in WAYS["content"])
    assert plain.isnan().all()
    assert quick.isnan().all()


@with_compiler
def test_only_wanted_gradients_are_computed() -> None:
    q, table, v = inputs("column", (1, 2, 8, 4, 4), torch.float32)
    for one in ([v], [q], [table], [q, table]):
        given = [
            each.detach().requires_grad_(any(each is x for x in one)) for each in (q, table, v)
        ]
        out = native_steps.column_attention(*given)
        found = torch.autograd.grad(out.square().sum(), [x for x in given if x.requires_grad])
        every = [each.double().detach().requires_grad_() for each in (q, table, v)]
        all_of_them = torch.autograd.grad(WAYS["column"][0](*every).square().sum(), every)
        wanted = [grad for grad, each in zip(all_of_them, given, strict=True) if each.requires_grad]
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4)


@with_compiler
def test_the_module_takes_them_and_other_tensors_are_left() -> None:
    module, x = GlobalSelfAttention(6, 8, 2, (8, 8)), torch.randn(1, 6, 8, 8)
    with calls() as taken:
        quick = module(x)
        assert sorted(set(taken)) == ["gsa_content", "gsa_step"]
        with torch.autocast("cpu", torch.bfloat16):
            assert module(x).dtype == torch.bfloat16
        taken.clear()
        with fast.switched_off():
            torch.testing.assert_close(module(x), quick)
        module.double()(x.double())
        with torch.autocast("cpu", torch.float16):
            module.float()(x)
        assert taken == []
    q = torch.zeros(1, 2, 8, 4, 4)
    assert native.takes(q, channels=64)
    assert not native.takes(q, channels=65)
    for others in ((q.to("meta"),), (q[:0],), (q.half(),), (q, q.to("meta")), (q, q[:, :1])):
        assert not native.takes(*others, channels=8)


@with_compiler
def test_where_torch_looks_on_its_own_operations_are_used() -> None:
    q, k, v = inputs("content", (1, 2, 8, 4, 4), torch.float32)
    table = kernel_checks.noise(7, 8)
    wanted = content_branch(q, k, v) + column_attention(q, table, v)

    def both(q: Tensor, v: Tensor) -> Tensor:
        return content_branch(q, k, v) + column_attention(q, table, v)

    native_content._works.cache_clear()
    torch.testing.assert_close(make_fx(both)(q, v)(q, v), wanted)
    assert counted(lambda: both(q, v)) == 2 * 2 * 16 * 2 * 8 * (8 + 4)
    assert torch.func.vmap(both)(q[None], v[None]).shape == (1, *wanted.shape)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert both(q, v).shape == wanted.shape
    assert native_content.available(q, k, v)  # as before
    with torch.device("meta"):
        native_content._works.cache_clear()
        assert native_content.available(q, k, v)


@with_compiler
def test_embeddings_of_another_length_are_refused() -> None:
    q, table, v = inputs("column", (1, 2, 8, 4, 4), torch.float32)
    for wrong in (table[:-1], table[:, :4], table.to("meta")):
        with pytest.raises(ValueError, match=r"must be \(7, 8\) on cpu, not"):
            column_attention(q, wrong, v)


@with_compiler
@pytest.mark.parametrize(
    "function",
    [native_steps._STEP, native_content._CONTENT, native_module._MODULE, native_norm._NORM],
)
def test_both_languages_mean_the_same_struct(function: native.Function) -> None:
    said = getattr(native.library(), f"{function.name}_struct")()
    assert said == ctypes.sizeof(function._struct)


@with_compiler
def test_a_compiled_backward_pass_does_not_trace_addresses() -> None:
    q, table, v = inputs("column", (1, 2, 8, 4, 4), torch.float32)
    leaf = q.detach().requires_grad_()
    (wanted,) = torch.autograd.grad(column_attention(leaf, table, v).sum(), leaf)
    out = column_attention(leaf, table, v).sum()
    with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")):
        out.backward()
    torch.testing.assert_close(leaf.grad, wanted)


@with_compiler
def test_wrong_kernels_are_left_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.Function, "__call__", lambda *_: None)
    for module, what in (
        (native_steps, "positional steps"),
        (native_content, "content branches"),
        (native_module, "modules"),
        (native_norm, "query norms"),
    ):
        module._works.cache_clear()
        monkeypatch.setattr(torch.Tensor, "new_empty", torch.Tensor.new_zeros)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert not module._works(torch.float32, 8)
            assert not module._works(torch.float32, 8)
        module._works.cache_clear()
        assert len(caught) == 1
        said = str(caught[0].message)
        assert said.startswith(f"On cpu the C++ kernels are not used for some {what}, as they fail")


def test_without_a_compiler_other_ways_are_taken(
    monkeypatch: pytest.MonkeyPatch, without_library: None
) -> None:
    monkeypatch.setattr(native, "_compilers", list)
    q, table, v = inputs("column", (1, 2, 8, 4, 4), torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not native_steps.available(q, v)
        assert not native_content.available(q, q, v)
        torch.testing.assert_close(column_attention(q, table, v), WAYS["column"][0](q, table, v))
        torch.testing.assert_close(content_branch(q, q, v), WAYS["content"][0](q, q, v))


def test_a_compiler_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path, without_library: None
) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho no such processor >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(native, "_compilers", lambda: [str(broken)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.warns(RuntimeWarning, match="c\\+\\+: no such processor"):
        assert native.library() is None
    assert native.library() is None  # without another word


@with_compiler
def test_the_library_is_kept_and_made_again_where_it_is_damaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path, without_library: None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library() is not None
    (kept,) = (tmp_path / "gsa-explorer").iterdir()
    made = kept.stat().st_mtime_ns
    native._library.cache_clear()
    assert native.library() is not None
    assert kept.stat().st_mtime_ns == made
    # under another name, since this process has it loaded
    code = "from gsa import native; print(native.library() is not None)"
    damaged = tmp_path / "other" / "gsa-explorer" / kept.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(kept.read_bytes()[:1000])
    elsewhere = os.environ | {"XDG_CACHE_HOME": str(damaged.parents[1])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"


@with_compiler
def test_a_folder_that_others_may_write_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path, without_library: None
) -> None:
    open_to_all = tmp_path / "gsa-explorer"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library() is not None
    assert list(open_to_all.iterdir()) == []


def test_a_compiler_that_takes_too_long_is_left(
    monkeypatch: pytest.MonkeyPatch, without_library: None
) -> None:
    def late(*command: str) -> bytes:
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(native, "_compilers", lambda: ["g++"])
    monkeypatch.setattr(native, "_run", late)
    with pytest.warns(RuntimeWarning, match="timed out after 120 seconds"):
        assert native.library() is None


@with_compiler
def test_nothing_has_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path, without_library: None
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # no folder can be made there
    assert native.library() is not None


@with_compiler
def test_threads_are_those_of_torch() -> None:
    code = (
        "import torch; from gsa import native; native.library()\n"
        "maps = open('/proc/self/maps').read().split()\n"
        "print(len({each for each in maps if 'gomp' in each or 'iomp' in each}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
