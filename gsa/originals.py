"""Data sets as their authors publish them, downloaded and checked by torchvision on request.

CIFAR comes as arrays. Of the others, whose files lie in folders, torchvision only fetches: their
pictures are opened by the gate that every picture passes (`gsa.split`).
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchvision import datasets
from torchvision.datasets.utils import download_and_extract_archive

from gsa.split import DataError, Found, Pixels, Split, everyday, in_class_folders, split_of

Fetch = Callable[[Path, bool], Any]  # (root, whether to download) to what is read there

CALTECH_WORDS = {
    "Faces": "person",
    "Faces_easy": "face",
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
}
IMAGENETTE_WORDS = {
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
}
IMAGENET_TERMS = "ImageNet's terms: research only, pictures not to be redistributed"
CALTECH_TERMS = "CC BY 4.0; Li, Andreeto, Ranzato, Perona; CaltechDATA, doi 10.22002/D1.20086"
CIFAR_TERMS = "no licence is given; cite Krizhevsky, Learning Multiple Layers of Features, 2009"


def _fetched(title: str, fetch: Fetch, root: Path, present: str, download: bool) -> Any:
    """The data set of torchvision, or the sentence that says why not.

    Args:
        title: for the sentence.
        fetch: downloads it, if it is to, and reads it.
        root: where it lies or is to lie.
        present: the folder in `root` that tells whether it is there.
        download: whether to fetch it where it is not.

    Raises:
        DataError: if it is not there, damaged, or cannot be fetched.
    """
    if not download and not (root / present).is_dir():
        raise DataError(f"{title} is not in {str(root)!r}; `--download` fetches it there.")
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results
            return fetch(root, download)
    except RuntimeError as error:  # what torchvision raises for a wrong checksum
        raise DataError(
            f"{title} in {str(root)!r} is damaged ({str(error).split('.')[0]}); remove it and "
            "fetch it by `--download`."
        ) from None
    except OSError as error:
        verb = "fetched into" if download else "read in"
        raise DataError(f"{title} cannot be {verb} {str(root)!r} ({error}).") from None


def _split_of(title: str, split: str, found: list[Found], words: dict[str, str]) -> Split:
    if not found:
        raise DataError(f"{title} has no {split!r} pictures where it lies; fetch it again.")
    return split_of(found, words)


def _check(title: str, split: str) -> None:
    if split not in ("train", "val"):
        raise DataError(f"{title} has no split {split!r}; it has 'train' and 'val'.")


@dataclass(frozen=True)
class Cifar:
    """CIFAR-10 or -100; its test part is `val` here."""

    title: str
    dataset: type[datasets.CIFAR10]
    terms: str = CIFAR_TERMS

    def open(self, split: str, root: Path, download: bool) -> Split:
        """See `gsa.data.KnownData`."""
        _check(self.title, split)
        found = _fetched(
            self.title,
            lambda root, download: self.dataset(root, train=split == "train", download=download),
            root,
            self.dataset.base_folder,
            download,
        )
        pixels = Pixels(found.data)
        return Split(
            places=tuple((pixels, str(at)) for at in range(len(found.targets))),
            targets=tuple(found.targets),
            labels=tuple(everyday(name) for name in found.classes),
        )


@dataclass(frozen=True)
class Imagenette:
    """Imagenette at its full size, with its own two splits."""

    title: str = "Imagenette, original pictures (10 classes of ImageNet)"
    terms: str = IMAGENET_TERMS

    def open(self, split: str, root: Path, download: bool) -> Split:
        """See `gsa.data.KnownData`."""
        _check(self.title, split)
        _fetched(
            self.title,
            lambda root, download: datasets.Imagenette(root, download=download),
            root,
            "imagenette2",
            download,
        )
        found = in_class_folders(root / "imagenette2" / split)
        return _split_of(self.title, split, found, IMAGENETTE_WORDS)


@dataclass(frozen=True)
class Caltech101:
    """Caltech 101 with its 101 classes. It has no splits: a fifth of each class is `val` here."""

    title: str = "Caltech 101, original pictures"
    terms: str = CALTECH_TERMS

    def open(self, split: str, root: Path, download: bool) -> Split:
        """See `gsa.data.KnownData`."""
        _check(self.title, split)
        folder = "caltech101/101_ObjectCategories"
        _fetched(
            self.title,
            lambda root, download: datasets.Caltech101(root, download=download),
            root,
            folder,
            download,
        )
        classes: dict[str, list[Found]] = {}
        for each in in_class_folders(root / folder):
            if each.class_ != "BACKGROUND_Google":  # no class, but what was left
                classes.setdefault(each.class_, []).append(each)
        chosen = []
        for pictures in classes.values():
            drawn = sorted(pictures, key=_lot)
            fifth = round(len(drawn) / 5)
            chosen += drawn[:fifth] if split == "val" else drawn[fifth:]
        return _split_of(self.title, split, sorted(chosen), CALTECH_WORDS)


def _lot(picture: Found) -> str:
    """A number drawn by the picture's name alone, the same on every machine."""
    return hashlib.sha256(f"{picture.class_}/{picture.name}".encode()).hexdigest()


@dataclass(frozen=True)
class TinyImageNet:
    """All 200 classes of Tiny ImageNet, laid out as in Stanford's archive.

    Its own `test` part has no published classes and is left out.
    """

    title: str = "Tiny ImageNet (200 classes of ImageNet)"
    terms: str = IMAGENET_TERMS
    folder: str = "tiny-imagenet-200"
    url: str = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    md5: str = "90528d7ca1a48142e341f4ef8d21d0de"

    def open(self, split: str, root: Path, download: bool) -> Split:
        """See `gsa.data.KnownData`."""
        _check(self.title, split)
        found, words = _fetched(
            self.title,
            lambda root, download: self._read(split, root, download),
            root,
            self.folder,
            download,
        )
        return _split_of(self.title, split, found, words)

    def _read(self, split: str, root: Path, download: bool) -> tuple[list[Found], dict[str, str]]:
        folder = root / self.folder
        if download and not folder.is_dir():
            # whole or not at all: a folder from which a kill kept some pictures would look like all
            partial = root / f"{self.folder}.partial"
            download_and_extract_archive(self.url, str(root), str(partial), md5=self.md5)
            (partial / self.folder).rename(folder)
            partial.rmdir()
        found = self._train(folder) if split == "train" else self._val(folder)
        return sorted(found), self._words(folder, {each.class_ for each in found})

    def _train(self, folder: Path) -> list[Found]:
        """`train/<class>/images/<picture>`."""
        paths = (folder / "train").glob("*/images/*.JPEG")
        return [Found(path.parts[-3], path.parent, path.name) for path in paths]

    def _val(self, folder: Path) -> list[Found]:
        """`val/images/<picture>`, their classes in a table beside them."""
        rows = _table(folder / "val" / "val_annotations.txt")
        return [Found(class_, folder / "val" / "images", name) for name, class_, *_ in rows]

    def _words(self, folder: Path, classes: set[str]) -> dict[str, str]:
        """The first name of each class, or all its names where two have the first in common."""
        names = {
            class_: each for class_, each, *_ in _table(folder / "words.txt") if class_ in classes
        }
        first = {class_: each.split(",")[0] for class_, each in names.items()}
        times = Counter(first.values())
        return {
            class_: word if times[word] == 1 else names[class_] for class_, word in first.items()
        }


def _table(path: Path) -> list[list[str]]:
    """The rows of a text file, cut at tabs; those without a tab are left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if "\t" in line]


ORIGINALS: dict[str, Cifar | Imagenette | Caltech101 | TinyImageNet] = {
    "cifar-10": Cifar("CIFAR-10", datasets.CIFAR10),
    "cifar-100": Cifar("CIFAR-100", datasets.CIFAR100),
    "caltech-101": Caltech101(),
    "imagenette-original": Imagenette(),
    "tiny-imagenet": TinyImageNet(),
}
