"""Data sets by name, or by the path of a folder.

A stored data set is a folder of class folders for each split: unpacked
(`ROOT/train/<class>/<picture>`), or as zip archives `ROOT/<archive>-<split>-NN.zip`, which are read
without unpacking. Others are the originals that torchvision downloads (`gsa.originals`).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gsa.originals import (
    CALTECH_TERMS,
    CALTECH_WORDS,
    IMAGENET_TERMS,
    IMAGENETTE_WORDS,
    ORIGINALS,
)
from gsa.split import DataError, Split, in_archives, in_class_folders, split_of


class KnownData(Protocol):
    """A data set known by name."""

    @property
    def title(self) -> str:
        """What it is called in full."""

    @property
    def terms(self) -> str:
        """Under which terms its pictures may be used, and whose they are."""

    def open(self, split: str, root: Path, download: bool) -> Split:
        """The pictures of `train` or `val` below `root`; DataError if they are not there."""


@dataclass(frozen=True)
class StoredData:
    """A data set that lies unpacked or in archives, and is not downloaded."""

    title: str
    archive: str  # archives are <archive>-<split>-NN.zip
    terms: str
    labels: dict[str, str]  # everyday words for class folders whose names are none
    label_table: str = ""  # a TSV file with index, folder, names; instead of `labels`

    def open(self, split: str, root: Path, download: bool) -> Split:
        """See `KnownData`."""
        found = in_archives(root.glob(f"{self.archive}-{split}-*.zip"))
        if found:
            return split_of(found, self._words(root))
        packed = sorted(
            {path.stem.removeprefix(f"{self.archive}-").rpartition("-")[0] for path in
             root.glob(f"{self.archive}-*-*.zip")}
        )  # fmt: skip
        if packed and not (root / split).is_dir():
            raise _no_split(root, split, packed)
        if download and not (root / split).is_dir():
            raise DataError(f"{self.title} cannot be downloaded; lay it out in {str(root)!r}.")
        return _open_folder(root, split, self._words(root))

    def _words(self, root: Path) -> dict[str, str]:
        table = root / self.label_table
        if not self.label_table or not table.is_file():
            return self.labels
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines, delimiter="\t"))
        return {row[1]: row[2].split(",")[0] for row in rows if len(row) > 2}


KNOWN: dict[str, KnownData] = {
    "caltech-94": StoredData(
        title="Caltech-94 (Caltech 101 without its face and background classes)",
        archive="caltech-160",
        terms=CALTECH_TERMS,
        labels=CALTECH_WORDS,
    ),
    "imagenette": StoredData(
        title="Imagenette (10 classes of ImageNet)",
        archive="imagenette-144",
        terms=IMAGENET_TERMS,
        labels=IMAGENETTE_WORDS,
    ),
    "tiny-imagenet-100": StoredData(
        title="Tiny-ImageNet-100 (100 classes of Tiny ImageNet)",
        archive="tiny-imagenet-100",
        terms=IMAGENET_TERMS,
        labels={},
        label_table="tiny-imagenet-100-classes.tsv",
    ),
    **ORIGINALS,
}


def open_split(name: str, split: str, root: Path | None = None, *, download: bool = False) -> Split:
    """The pictures of a split.

    Args:
        name: one of `KNOWN`, or the path of a folder with a folder for each split, or of a folder
            of class folders (then `split` does not matter).
        split: `train`, `val`, ...
        root: where a known data set lies, unpacked or as archives.
        download: whether a known data set that is not there is fetched first.

    Raises:
        DataError: if nothing is found there, or other splits than that, or for a `root` beside the
            path of a folder.
    """
    known = KNOWN.get(name)
    if known is None:
        if download:
            raise DataError(f"{name!r} is not a known data set to download ({', '.join(KNOWN)}).")
        if not Path(name).is_dir():
            raise DataError(
                f"{name!r} is neither a folder nor a known data set ({', '.join(KNOWN)})."
            )
        if root is not None:
            raise DataError(
                f"`--data` (={str(root)!r}) is for a known data set ({', '.join(KNOWN)}); these "
                f"pictures are those of the folder {name!r}."
            )
        return _open_folder(Path(name), split, {})
    if root is None:
        raise DataError(f"the data set {name!r} needs the folder it lies in (`--data ROOT`).")
    return known.open(split, root, download)


def about(name: str) -> dict[str, str]:
    """`name` and `terms` of a data set, for the card of what was trained on it."""
    known = KNOWN.get(name)
    if known is None:
        return {"name": Path(name).name, "terms": "as the folder's owner says"}
    return {"name": known.title, "terms": known.terms}


def _open_folder(folder: Path, split: str, words: dict[str, str]) -> Split:
    part = folder / split
    if part.is_dir():
        found = in_class_folders(part)
        if not found and in_class_folders(folder):
            raise DataError(
                f"{str(part)!r} has no pictures in class folders and keeps those beside it from "
                "being read; fill it, or give it another name."
            )
    else:
        others = _splits_in(folder)
        if others:  # or what lies beside them would be taken for classes
            raise _no_split(folder, split, others)
        found = in_class_folders(folder)
    if not found:
        raise DataError(
            f"{str(folder)!r} has no pictures in class folders, neither <class>/<picture> nor "
            f"{split}/<class>/<picture>."
        )
    return split_of(found, words)


def _splits_in(folder: Path) -> list[str]:
    """Folders that have pictures in class folders and none of their own, sorted."""
    own = {each.class_ for each in in_class_folders(folder)}
    inside = sorted(path for path in folder.glob("*/") if path.name not in own)
    return [path.name for path in inside if in_class_folders(path)]


def _no_split(folder: Path, split: str, others: list[str]) -> DataError:
    there = ", ".join(map(repr, others))
    return DataError(f"{str(folder)!r} has no split {split!r}; it has {there}.")
