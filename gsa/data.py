"""Labelled pictures for training and evaluation, by the name of a data set or a folder.

A data set is a folder of class folders for each split: unpacked (`ROOT/train/<class>/<picture>`),
or as the stored zip archives `ROOT/<archive>-<split>-NN.zip`, which are read without unpacking.
Pictures are opened by the same gate as the app's, `gsa.pictures.open_picture`.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from gsa.pictures import open_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence fit for a user."""


@dataclass(frozen=True)
class KnownData:
    """A data set known by name."""

    title: str
    archive: str  # archives are <archive>-<split>-NN.zip
    terms: str
    labels: dict[str, str]  # everyday words for class folders whose names are none
    label_table: str = ""  # a TSV file with index, folder, names; instead of `labels`


KNOWN = {
    "caltech-94": KnownData(
        title="Caltech-94 (Caltech 101 without its face and background classes)",
        archive="caltech-160",
        terms="CC BY 4.0; Li, Andreeto, Ranzato, Perona; CaltechDATA, doi 10.22002/D1.20086",
        labels={
            "Leopards": "leopard",
            "Motorbikes": "motorbike",
            "airplanes": "airplane",
            "brain": "brain",
            "buddha": "Buddha",
            "car_side": "car from the side",
            "cougar_body": "cougar",
            "cougar_face": "face of a cougar",
            "crocodile_head": "head of a crocodile",
            "flamingo_head": "head of a flamingo",
            "garfield": "Garfield",
            "inline_skate": "inline skate",
            "joshua_tree": "Joshua tree",
            "snoopy": "Snoopy",
            "water_lilly": "water lily",
            "wild_cat": "wild cat",
            "yin_yang": "yin and yang",
        },
    ),
    "imagenette": KnownData(
        title="Imagenette (10 classes of ImageNet)",
        archive="imagenette-144",
        terms="ImageNet's terms: research only, pictures not to be redistributed",
        labels={
            "n01440764": "tench",
            "n02102040": "English springer",
            "n02979186": "cassette player",
            "n03000684": "chain saw",
            "n03028079": "church",
            "n03394916": "French horn",
            "n03417042": "garbage truck",
            "n03425413": "gas pump",
            "n03445777": "golf ball",
            "n03888257": "parachute",
        },
    ),
    "tiny-imagenet-100": KnownData(
        title="Tiny-ImageNet-100 (100 classes of Tiny ImageNet)",
        archive="tiny-imagenet-100",
        terms="ImageNet's terms: research only, pictures not to be redistributed",
        labels={},
        label_table="tiny-imagenet-100-classes.tsv",
    ),
}


@dataclass(frozen=True)
class Split:
    """The pictures of one split, still encoded, and their targets."""

    files: tuple[tuple[Path, str], ...]  # (archive or folder, name inside it)
    targets: tuple[int, ...]  # class of each file
    labels: tuple[str, ...]  # everyday words of the classes

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.files)

    def subset(self, at: list[int]) -> Split:
        """The pictures at some positions, in that order."""
        files, targets = tuple(self.files[i] for i in at), tuple(self.targets[i] for i in at)
        return Split(files, targets, self.labels)

    def pictures(self) -> Iterator[Image.Image]:
        """Every picture decoded, in order; each archive is opened once."""
        archives: dict[Path, zipfile.ZipFile] = {}
        try:
            for container, name in self.files:
                if container.suffix != ".zip":
                    yield open_picture(container / name)
                    continue
                if container not in archives:
                    archives[container] = zipfile.ZipFile(container)
                yield open_picture(archives[container].read(name))
        finally:
            for archive in archives.values():
                archive.close()

    def decoded(self, short_side: int) -> list[Tensor]:
        """Every picture as (3, rows, columns) uint8, its shorter side reduced to `short_side`."""
        tensors = []
        for picture in self.pictures():
            scale = short_side / min(picture.size)
            if scale < 1:
                size = (round(picture.width * scale), round(picture.height * scale))
                picture = picture.resize(size, Image.Resampling.BICUBIC)
            tensors.append(F.pil_to_tensor(picture))
        return tensors


def open_split(name: str, split: str, root: Path | None = None) -> Split:
    """The pictures of a split.

    Args:
        name: one of `KNOWN`, or the path of a folder with a folder for each split, or of a folder
            of class folders (then `split` does not matter).
        split: `train`, `val`, ...
        root: where a known data set lies, unpacked or as archives.

    Raises:
        DataError: if nothing is found there.
    """
    known = KNOWN.get(name)
    folder = root if known else Path(name)
    if folder is None:
        raise DataError(f"the data set {name!r} needs the folder it lies in.")
    if not folder.is_dir():
        raise DataError(
            f"{str(folder)!r} is neither a folder nor a known data set ({', '.join(KNOWN)})."
        )
    files = sorted(_from_archives(folder, known, split) if known else ())
    files = files or sorted(_from_folder(folder / split if (folder / split).is_dir() else folder))
    if not files:
        raise DataError(f"{str(folder)!r} has no {split!r} pictures in class folders.")
    classes = sorted({class_ for class_, _, _ in files})
    index = {class_: i for i, class_ in enumerate(classes)}
    words = _words(known, folder)
    return Split(
        files=tuple((container, inside) for _, container, inside in files),
        targets=tuple(index[class_] for class_, _, _ in files),
        labels=tuple(words.get(class_, class_.replace("_", " ")) for class_ in classes),
    )


def _from_archives(folder: Path, known: KnownData, split: str) -> Iterator[tuple[str, Path, str]]:
    for path in folder.glob(f"{known.archive}-{split}-*.zip"):
        with zipfile.ZipFile(path) as archive:
            for inside in archive.namelist():
                if inside.lower().endswith(SUFFIXES):
                    yield PurePosixPath(inside).parent.name, path, inside


def _from_folder(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for path in folder.glob("*/*"):
        if path.suffix.lower() in SUFFIXES:
            yield path.parent.name, path.parent, path.name


def _words(known: KnownData | None, folder: Path) -> dict[str, str]:
    if known is None:
        return {}
    table = folder / known.label_table
    if not known.label_table or not table.is_file():
        return known.labels
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))
    return {row[1]: row[2].split(",")[0] for row in rows if len(row) > 2}


def hold_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Divide a split into the part to learn from and the part to choose by.

    Args:
        share: of the pictures that are held out, from 0 to below 1.
        seed: draws them; the same seed and split give the same parts.
    """
    if not 0 <= share < 1:
        raise DataError(f"`hold_out` (={share}) must be from 0 to below 1.")
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed)).tolist()
    held = round(len(split) * share)
    return split.subset(sorted(order[held:])), split.subset(sorted(order[:held]))
