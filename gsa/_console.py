"""What all commands of `python -m gsa` share: their parser, their arguments, JSON on stdout."""

from __future__ import annotations

import argparse
import codecs
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

Arguments = argparse.Namespace
Run = Callable[[Arguments], int]  # does a command; returns its exit status
AddCommand = Callable[[Run, str, str], argparse.ArgumentParser]  # (run, name, help) to its parser


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with arguments, without the usage; so do subparsers.

    The help of an argument names its default, in its own words or else as the value. Any number
    below 0 is a value and no option, also -1e-3.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        """As of its base class."""
        super().__init__(*given, **options)
        self._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As of its base class."""
        words = options.get("help", "")
        unsaid = options.get("default") not in (None, argparse.SUPPRESS) and "default" not in words
        if unsaid:
            options["help"] = f"{words}; default: %(default)s".removeprefix("; ")
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"gsa: {message.rstrip('.')}.\n")


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout, all of it or nothing.

    Where stdout is not in UTF-8, letters beyond ASCII are escaped, as JSON can; so they are where a
    file name has a byte that is not UTF-8.

    Raises:
        ValueError: for a number that JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
        escaped = codecs.lookup(sys.stdout.encoding or "ascii").name != "utf-8"
    except UnicodeEncodeError:
        escaped = True
    sys.stdout.write((json.dumps(value) if escaped else text) + "\n")


def say_everything() -> None:
    """Escape on stdout what its encoding lacks, as stderr does, and not end in an error half-way.

    Bytes of a file's name that are no text stay what they are where Python keeps them.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def pictures(count: int) -> str:
    """Such as `1 picture` or `16 pictures`."""
    return f"{count} picture{'' if count == 1 else 's'}"
