"""Compiles and loads the project's C++ (`gsa/cpp`), where there is a compiler for it.

It is compiled for the processor at hand, which takes seconds, and kept in the user's cache under a
name that stands for sources, compiler and processor. Threads are those of torch's own OpenMP: the
file leaves OpenMP's symbols open, and they are found in the library that torch has loaded. With a
second OpenMP beside it, the idle threads of one would take the processor from the other.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import torch  # before the library is loaded: it brings OpenMP
from torch import Tensor

from gsa import fast

_SOURCES = Path(__file__).parent / "cpp"
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC")
_MOST_CHANNELS = 64  # of a head
DTYPES = (torch.float32, torch.bfloat16)  # of the data
_lock = Lock()


def library() -> ctypes.CDLL | None:
    """The compiled functions of `gsa/cpp`.

    Returns:
        None where there is no C++ compiler (`CXX` or g++), on other systems than Linux, and,
        after a warning, where compiling or loading fails. The compiler is to be GCC.
    """
    with _lock:  # several threads of a server may ask at once
        return _library()


@cache
def _library() -> ctypes.CDLL | None:
    failures = []
    for compiler in _compilers():
        try:
            return _load(compiler)
        except (OSError, subprocess.SubprocessError) as failure:
            said = (getattr(failure, "stderr", None) or b"").decode(errors="replace").strip()
            failures.append(f"{compiler}: {(said or str(failure)).splitlines()[0]}")
    if failures:
        warnings.warn(
            f"The C++ of gsa/cpp is not used, as it was not made or not loaded. {failures[0]}",
            RuntimeWarning,
            stacklevel=4,
        )
    return None


def _compilers() -> list[str]:
    """What may compile, best first."""
    if sys.platform != "linux":
        return []
    found = map(shutil.which, (os.environ.get("CXX", ""), "g++"))
    return list(dict.fromkeys(filter(None, found)))


def _load(compiler: str) -> ctypes.CDLL:
    folder = _folder()
    if folder is not None:
        return ctypes.CDLL(str(_compiled(compiler, folder)))
    with tempfile.TemporaryDirectory() as passing:  # for this process alone
        return ctypes.CDLL(str(_compiled(compiler, Path(passing))))


def _folder() -> Path | None:
    """Where the library is kept; None if that cannot be, or others may write there."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(base) / "gsa-explorer"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    own = state.st_uid == os.getuid() and not state.st_mode & 0o022
    return folder if own and os.access(folder, os.W_OK) else None


def _compiled(compiler: str, folder: Path) -> Path:
    """The library's file in a folder, made if it is not there."""
    sources = sorted(_SOURCES.glob("*.cpp"))
    text = b"".join(path.read_bytes() for path in (*sources, *sorted(_SOURCES.glob("*.h"))))
    # every macro that the compiler defines: its version, and what the processor can do
    target = _run(compiler, *_FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
    name = hashlib.sha256(text + target + repr(_FLAGS).encode()).hexdigest()[:16]
    path = folder / f"gsa-{name}.so"
    if not _intact(path):
        with tempfile.TemporaryDirectory(dir=folder) as building:

            def compile_one(source: Path) -> str:
                made = f"{building}/{source.stem}.o"
                _run(compiler, *_FLAGS, "-c", str(source), "-o", made)
                return made

            with ThreadPoolExecutor() as pool:
                objects = list(pool.map(compile_one, sources))
            # not linked with OpenMP; what stays open must be found at once
            whole = Path(building) / "whole"
            _run(compiler, "-shared", "-Wl,-z,now", *objects, "-o", str(whole))
            built = whole.read_bytes()
            whole.write_bytes(built + hashlib.sha256(built).digest())
            whole.replace(path)
    return path


def _intact(path: Path) -> bool:
    """Whether there is a library with its checksum behind it; to load half of one is to crash."""
    data = path.read_bytes() if path.is_file() else b""
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


class Function:
    """A function of the library: it takes one struct, of whole numbers and of tensors' addresses.

    A second one, with `_scratch` behind its name, says how many numbers in single precision it
    needs to work with; they are given as the last tensor.

    Args:
        name: of the function.
        numbers: their names, in the order of the struct; `threads` and `half` come behind them.
        tensors: likewise; they come behind the numbers, and `scratch` behind them.
    """

    def __init__(self, name: str, numbers: tuple[str, ...], tensors: tuple[str, ...]) -> None:
        self.name = name
        fields = [
            *((n, ctypes.c_int64) for n in (*numbers, "threads", "half")),
            *((t, ctypes.c_void_p) for t in (*tensors, "scratch")),
        ]
        self._struct = type("Call", (ctypes.Structure,), {"_fields_": fields})
        self._found: dict[str, Any] = {}  # functions, since to ask for one takes a microsecond

    def __call__(
        self, dtype: torch.dtype, numbers: Mapping[str, int], tensors: Mapping[str, Tensor | None]
    ) -> None:
        """Run on data of a type; tensors are contiguous, missing ones and None null pointers."""
        # tracing knows nothing of addresses; else `disable` is not asked, as it loads the compiler
        run = torch.compiler.disable(self._run) if torch.compiler.is_compiling() else self._run
        run(dtype, numbers, tensors)

    def _run(
        self, dtype: torch.dtype, numbers: Mapping[str, int], tensors: Mapping[str, Tensor | None]
    ) -> None:
        call = self._call(dtype, numbers, tensors)
        count = self._function("_scratch")(ctypes.byref(call))
        scratch = torch.empty(count, dtype=torch.float32, device="cpu")
        call.scratch = scratch.data_ptr()
        self._function("")(ctypes.byref(call))

    def count(self, what: str, dtype: torch.dtype, numbers: Mapping[str, int]) -> int:
        """What the function of this name with `what` behind it answers to the numbers."""
        answer: int = self._function(f"_{what}")(ctypes.byref(self._call(dtype, numbers, {})))
        return answer

    def _function(self, suffix: str) -> Any:
        found = self._found.get(suffix)
        if found is None:
            found = getattr(library(), self.name + suffix)
            found.restype = ctypes.c_int64 if suffix else None
            self._found[suffix] = found
        return found

    def _call(
        self, dtype: torch.dtype, numbers: Mapping[str, int], tensors: Mapping[str, Tensor | None]
    ) -> Any:
        given = {name: each.data_ptr() for name, each in tensors.items() if each is not None}
        half = dtype == torch.bfloat16
        return self._struct(**numbers, threads=torch.get_num_threads(), half=half, **given)


def takes(*tensors: Tensor, channels: int) -> bool:
    """Whether the library has functions for tensors of some pictures.

    Args:
        tensors: of one shape, the queries first.
        channels: of a head.

    Returns:
        True on a CPU in single precision or bfloat16, or in autocast to it, for tensors of one
        shape with up to 64 channels in a head, where there is the library; False also where
        `gsa.fast.wanted` says no.
    """
    q = tensors[0]
    for each in tensors:
        if type(each) is not Tensor or each.shape != q.shape or each.device != q.device:
            return False
    return (
        q.numel() > 0
        and channels <= _MOST_CHANNELS
        and fast.pays(q)
        and fast.step_dtype(q) in DTYPES
        and library() is not None
    )
