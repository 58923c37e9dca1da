"""What tests of Triton kernels share: where they run, and how they compile where they cannot.

Tests marked `runs` launch kernels: on a GPU where there is one, and in any case on the CPU, in
Triton's interpreter, in a process that `run_in_the_interpreter` starts. The interpreter takes a
product of bfloat16 for one of integers, so that type is left to GPUs.
"""

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
with_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
compiles = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
runs = pytest.mark.skipif(
    not (INTERPRETED or torch.cuda.is_available()),
    reason="needs a CUDA GPU; the interpreter runs it in another process",
)
bfloat16 = pytest.param(
    torch.bfloat16,
    marks=pytest.mark.skipif(INTERPRETED, reason="Triton's interpreter has no bfloat16 product"),
)


def run_in_the_interpreter(file: str, *tests: Any) -> int:
    """Run tests of a file in Triton's interpreter; returns how many passed."""
    names = [f"{file}::{test.__name__}" for test in tests]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-vv", *names],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.count("PASSED")


def stack(cubin: bytes) -> int:
    """Bytes of memory that each thread of a compiled kernel needs besides its registers."""
    from triton.backends import nvidia

    tool = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    return int(re.search(r"STACK:(\d+)", said)[1])


class Hopper:
    """What Triton asks a driver before it compiles; it stands for a GPU of capability 9.0."""

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 99  # what is compiled here must not be found by a GPU that is there

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_only(monkeypatch: pytest.MonkeyPatch, folder, launcher, kernels, *names: str) -> list:
    """The kernels that `launcher` would launch from now on, each compiled and left alone."""
    from triton.runtime import driver

    found = []

    class Compiling:
        def __init__(self, kernel) -> None:
            self.kernel = kernel

        def __getitem__(self, grid: tuple[int, ...]):
            def compile_it(*args, **options) -> None:
                found.append(self.kernel.warmup(*args, grid=grid, **options))

            return compile_it

    stand_ins = {name: Compiling(getattr(kernels, name)) for name in names}
    monkeypatch.setattr(launcher, "_kernels", lambda: SimpleNamespace(**stand_ins))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(folder))
    monkeypatch.setattr(driver, "_active", Hopper())
    return found
