"""Labelled pictures, still encoded: where each lies, its class, and the names of the classes.

A picture lies in a container (a folder, a zip archive, an array) under a name. Files are opened by
the same gate as the app's, `gsa.pictures.open_picture`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gsa.pictures import SUFFIXES, PictureError, open_picture
from gsa.preprocess import pixels_of

_SUFFIXES = frozenset(chain.from_iterable(SUFFIXES.values()))

Reader = Callable[[str], Image.Image]  # a picture by its name


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence fit for a user."""


class Container(Protocol):
    """Where pictures lie. Hashable: pictures of one container are read while it is open."""

    def opened(self) -> AbstractContextManager[Reader]:
        """What reads its pictures, until the context ends."""


@dataclass(frozen=True)
class Folder:
    """Picture files by name."""

    path: Path

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """See `Container`."""
        yield lambda name: open_picture(self.path / name)


@dataclass(frozen=True)
class Archive:
    """Picture files in a zip archive, by their path in it."""

    path: Path

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """See `Container`."""
        with _archive(self.path) as archive:
            yield lambda name: open_picture(archive.read(name))


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pictures that are decoded already, by their decimal position."""

    array: NDArray[np.uint8]  # (n, rows, columns, 3)

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """See `Container`."""
        yield lambda name: Image.fromarray(self.array[int(name)])


@dataclass(frozen=True)
class Split:
    """The pictures of one split and their targets."""

    places: tuple[tuple[Container, str], ...]  # container and name of each picture
    targets: tuple[int, ...]  # class of each picture
    labels: tuple[str, ...]  # everyday words of the classes

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.places)

    @property
    def names(self) -> tuple[str, ...]:
        """File name of each picture."""
        return tuple(PurePosixPath(name).name for _, name in self.places)

    @property
    def answers(self) -> tuple[str, ...]:
        """Class of each picture in words."""
        return tuple(self.labels[target] for target in self.targets)

    def digest(self) -> str:
        """A sha256 of the file names and classes in their order, wherever the pictures lie."""
        return hashlib.sha256(json.dumps([self.names, self.answers]).encode()).hexdigest()

    def subset(self, at: Sequence[int]) -> Split:
        """The pictures at some positions, in that order."""
        places, targets = tuple(self.places[i] for i in at), tuple(self.targets[i] for i in at)
        return Split(places, targets, self.labels)

    def pictures(self) -> Iterator[Image.Image]:
        """Every picture decoded, in order; each container is opened once."""
        with ExitStack() as stack:
            readers: dict[Container, Reader] = {}
            for (container, name), target in zip(self.places, self.targets, strict=True):
                if container not in readers:
                    readers[container] = stack.enter_context(container.opened())
                try:
                    yield readers[container](name)
                except PictureError as error:
                    whose = f"{name!r} of the class {self.labels[target]!r}"
                    raise DataError(f"the picture {whose} cannot be used. {error}") from None

    def batches(self, size: int) -> Iterator[list[Image.Image]]:
        """Every picture decoded, in order, `size` at a time."""
        pictures = self.pictures()
        while batch := list(islice(pictures, size)):
            yield batch

    def decoded(self, short_side: int) -> list[Tensor]:
        """Every picture as (3, rows, columns) uint8, its shorter side reduced to `short_side`."""
        tensors = []
        for picture in self.pictures():
            scale = short_side / min(picture.size)
            if scale < 1:
                size = (round(picture.width * scale), round(picture.height * scale))
                picture = picture.resize(size, Image.Resampling.BICUBIC)
            tensors.append(pixels_of(picture))
        return tensors


@dataclass(frozen=True, order=True)
class Found:
    """A picture file below a class folder."""

    class_: str
    path: Path  # of the folder or the archive
    name: str


def is_picture(name: PurePath) -> bool:
    """Whether a file counts as a picture by its path below a folder or in an archive.

    Hidden files and folders are what systems put beside pictures: `._1.jpg`, `__MACOSX`.
    """
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in _SUFFIXES and not hidden


def in_class_folders(folder: Path) -> list[Found]:
    """The pictures `folder/<class>/<picture>`, sorted."""
    return sorted(
        Found(path.parent.name, path.parent, path.name)
        for path in folder.glob("*/*")
        if is_picture(path.relative_to(folder))
    )


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    # RuntimeError: a file in it is encrypted, or compressed in a way that is not known here
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(f"the archive {str(path)!r} cannot be read ({error}).") from None


def in_archives(paths: Iterable[Path]) -> list[Found]:
    """The pictures `.../<class>/<picture>` in zip archives, sorted."""
    found = []
    for path in paths:
        with _archive(path) as archive:
            for inside in archive.namelist():
                if is_picture(PurePosixPath(inside)):
                    found.append(Found(PurePosixPath(inside).parent.name, path, inside))
    return sorted(found)


def split_of(found: list[Found], words: dict[str, str]) -> Split:
    """Pictures with the classes in the order of their folders.

    Args:
        found: each in a folder or in an archive.
        words: everyday words for class folders whose names are none.
    """
    classes = sorted({each.class_ for each in found})
    index = {class_: i for i, class_ in enumerate(classes)}
    labels = [words.get(class_, everyday(class_)) for class_ in classes]
    times = Counter(labels)
    return Split(
        places=tuple((_container(each.path), each.name) for each in found),
        targets=tuple(index[each.class_] for each in found),
        # ImageNet has two kinds of crane: classes of one name get that of their folder too
        labels=tuple(
            label if times[label] == 1 else f"{label} ({class_})"
            for label, class_ in zip(labels, classes, strict=True)
        ),
    )


def everyday(name: str) -> str:
    """The name of a class folder as words."""
    return name.replace("_", " ")


def _container(path: Path) -> Container:
    return Archive(path) if path.suffix == ".zip" else Folder(path)


def hold_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Divide a split into the part to learn from and the part to choose by.

    Args:
        split: what is divided.
        share: of the pictures that are held out, from 0 to below 1.
        seed: draws them; the same seed and split give the same parts.

    Raises:
        DataError: for a share out of range.
    """
    if not 0 <= share < 1:
        raise DataError(f"`hold_out` (={share}) must be from 0 to below 1.")
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed)).tolist()
    held = round(len(split) * share)
    return split.subset(sorted(order[held:])), split.subset(sorted(order[:held]))
