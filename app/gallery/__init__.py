"""The pictures that the app comes with. Nothing here imports torch."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent
FIRST = "dalmatian_0002.jpg"  # shown at the start


@cache
def titles() -> Mapping[str, str]:
    """Titles in everyday words by file name, in the order of CREDITS.md."""
    lines = (FOLDER / "CREDITS.md").read_text(encoding="utf-8").splitlines()
    rows = csv.reader((line.strip("| ") for line in lines if ".jpg" in line), delimiter="|")
    return MappingProxyType(
        {row[0].strip(): row[1].strip().replace("_", " ").lower() for row in rows}
    )
