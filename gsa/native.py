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
from functools import cache
from pathlib import Path
from threading import Lock

import torch  # noqa: F401 - first: it brings OpenMP

_SOURCES = Path(__file__).parent / "cpp"
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC")
_lock = Lock()


def library() -> ctypes.CDLL | None:
    """The compiled functions of `gsa/cpp/steps.cpp`.

    Returns:
        None where there is no C++ compiler (`CXX`, g++ or c++), on other systems than Linux, and,
        after a warning, where compiling or loading fails.
    """
    with _lock:  # several threads of a server may ask at once
        return _library()


@cache
def _library() -> ctypes.CDLL | None:
    compiler = _compiler()
    if compiler is None:
        return None
    try:
        return _load(compiler)
    except (OSError, subprocess.SubprocessError) as failure:
        said = getattr(failure, "stderr", b"").decode(errors="replace") or str(failure)
        warnings.warn(
            f"gsa/cpp is not used, as {compiler} did not make it: {said.strip().splitlines()[0]}",
            RuntimeWarning,
            stacklevel=4,
        )
        return None


def _compiler() -> str | None:
    if sys.platform != "linux":
        return None
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "g++", "c++"))), None)


def _load(compiler: str) -> ctypes.CDLL:
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(cache) / "gsa-explorer"
        folder.mkdir(parents=True, exist_ok=True)
        return ctypes.CDLL(str(_compiled(compiler, folder)))
    except (OSError, RuntimeError):  # no home, or nothing can be kept there: for this process alone
        with tempfile.TemporaryDirectory() as passing:
            return ctypes.CDLL(str(_compiled(compiler, Path(passing))))


def _compiled(compiler: str, folder: Path) -> Path:
    """The library's file in a folder, made if it is not there."""
    sources = b"".join(path.read_bytes() for path in sorted(_SOURCES.iterdir()))
    # every macro that the compiler defines: its version, and what the processor can do
    target = _run(compiler, *_FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
    name = hashlib.sha256(sources + target + repr(_FLAGS).encode()).hexdigest()[:16]
    path = folder / f"steps-{name}.so"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as building:
            made = Path(building)
            _run(compiler, *_FLAGS, "-c", str(_SOURCES / "steps.cpp"), "-o", str(made / "steps.o"))
            # not linked with OpenMP; what stays open must be found at once
            _run(compiler, "-shared", "-Wl,-z,now", str(made / "steps.o"), "-o", str(made / "so"))
            (made / "so").replace(path)
    return path


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
