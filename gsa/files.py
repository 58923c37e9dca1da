"""How results are written: files that are whole, and numbers that JSON has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is to be `path`: a file beside it, which takes its name at the end.

    A kill or an error on the way leaves the old file as it was; after an error the other is gone.
    """
    # another process may write the same file: the last one that ends has it, whole
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Make a text, in UTF-8, what a file holds."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def ready_folder(folder: Path) -> Path:
    """Make a folder for results, and write there, so that it fails now or never.

    Raises:
        ValueError: if there is a file of that name; OSError if it cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; name a folder for the results.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:  # it would name the file that is tried
        raise OSError(error.errno, error.strerror, str(folder)) from None


def ready_file(path: Path) -> Path:
    """As `ready_folder`, for the folder of a file of results.

    Raises:
        ValueError: if there is a folder of that name; OSError if it cannot be written.
    """
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder; name a file for the results.")
    ready_folder(path.parent)
    return path


def said(text: str) -> str:
    """A text with a question mark for what UTF-8 has not, such as some bytes of a file's name."""
    return text.encode(errors="replace").decode()


PAGE = "README.md"
GENERATED = "This page is generated"  # what a page of this program says of itself


def check_page(path: Path) -> None:
    """ValueError if a page that is to be written would replace one that somebody wrote."""
    if path.is_file() and GENERATED not in path.read_text(encoding="utf-8", errors="replace"):
        raise ValueError(
            f"{str(path)!r} was not made by this program and would be lost; choose another folder."
        )


def json_ready(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, but None for a number that is not finite, for which JSON has no word."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
