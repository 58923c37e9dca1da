"""Every sentence the app shows, as data: one TOML file for each page."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def words(page: str) -> dict[str, Any]:
    """The sentences of a page, by key; `str.format` fills in what the app computed."""
    path = Path(__file__).parent / f"{page}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
