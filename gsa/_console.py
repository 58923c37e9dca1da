"""What all commands of `python -m gsa` share: their parser, their arguments, JSON on stdout."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

Arguments = argparse.Namespace
Run = Callable[[Arguments], int]  # does a command; returns its exit status
AddCommand = Callable[[Run, str, str], argparse.ArgumentParser]  # (run, name, help) to its parser


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with arguments, without the usage; so do subparsers."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"gsa: {message.rstrip('.')}.\n")


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout; ValueError for a number that JSON does not have."""
    json.dump(value, sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def pictures(count: int) -> str:
    """Such as `1 picture` or `16 pictures`."""
    return f"{count} picture{'' if count == 1 else 's'}"
