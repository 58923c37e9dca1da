"""What all commands of `python -m gsa` share: their arguments, and JSON on stdout."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

Arguments = argparse.Namespace
Run = Callable[[Arguments], int]  # does a command; returns its exit status
AddCommand = Callable[[Run, str, str], argparse.ArgumentParser]  # (run, name, help) to its parser


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout; ValueError for a number that JSON does not have."""
    json.dump(value, sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
