"""Labelled pictures to ask networks about: of a folder or named one by one, and decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsa.card import Card
from gsa.checkpoints import Checkpoint
from gsa.data import KNOWN, DataError, open_split
from gsa.evaluate import prepared
from gsa.originals import CALTECH_WORDS, ORIGINALS
from gsa.preprocess import Preprocess
from gsa.split import Folder, Split, everyday

_DECODED = 16  # pictures at their own size at once: photographs are large
NO_PICTURE = "there is no picture to ask the networks about."
Pixels = Mapping[Preprocess, Tensor]  # crops (n, 3, size, size) uint8, as each preprocessing gives


def labelled(
    card: Card, folder: Path, split: str = "val", *, download: bool | None = None
) -> Split:
    """Pictures to ask a network about: its own data set where that lies, or else class folders.

    Args:
        card: of the network; its recipe names the data set.
        folder: with the files of the data set, with `<class>/<picture>`, or with a folder of
            those for each split.
        split: which part, where the folder has parts.
        download: whether the data set is fetched where it is not; None where nobody can ask for it.

    Raises:
        DataError: if there is no such folder, or nothing of the kind in it.
    """
    known = str(card.recipe.get("data", ""))
    path = str(folder.absolute())  # which is the name of no data set
    name = known if known in KNOWN else path
    if download:
        return open_split(name, split, folder if name in KNOWN else None, download=True)
    if folder.is_file():
        raise DataError(f"{str(folder)!r} is a file; name the folder that it lies in.")
    if not folder.is_dir():
        raise DataError(f"there is no folder {str(folder)!r}.")
    try:
        return open_split(name, split, folder if name in KNOWN else None)
    except DataError as error:
        if name not in ORIGINALS:  # of the others, class folders are found by their own words
            raise
        missing = error
    try:
        return open_split(path, split)
    except DataError as error:
        if download is not None:
            raise missing from None
        raise DataError(
            f"{KNOWN[name].title} cannot be read in {str(folder)!r}, and {error}"
        ) from None


def from_folder(card: Card, folder: Path, count: int | None = None, split: str = "val") -> Split:
    """Some of the pictures that `labelled` finds, of classes that the network knows.

    Args:
        card: of the network.
        folder: as for `labelled`.
        count: how many pictures, evenly spread over the folder; all by default.
        split: which part, where the folder has parts.

    Raises:
        DataError: if there is nothing, or a class that the network does not know.
        ValueError: if `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"`count` (={count}) must be at least 1.")
    found = labelled(card, folder, split)
    unknown = sorted(set(found.labels) - set(card.classes))
    if unknown:
        raise DataError(f"the folder has the class {unknown[0]!r}, which {card.name!r} lacks.")
    return found if count is None else at_most(found, count)


def at_most(found: Split, count: int) -> Split:
    """So many of the pictures, evenly spread over their order; all where there are fewer."""
    if count >= len(found):
        return found
    return found.subset(np.linspace(0, len(found) - 1, count).round().astype(int).tolist())


def from_files(card: Card, classes: Mapping[Path, str]) -> Split:
    """Picture files whose class a card knows; the others are left out.

    Args:
        card: of a network.
        classes: the name of the class of each file, as a class folder's or in everyday words.
    """
    spelled = {everyday(folder).lower(): word for folder, word in CALTECH_WORDS.items()}
    by_case = {label.lower(): label for label in card.classes}
    places, targets = [], []
    for path, name in classes.items():
        plain = everyday(name).lower()
        label = by_case.get(spelled.get(plain, plain).lower())
        if label is not None:
            places.append((Folder(path.parent), path.name))
            targets.append(card.classes.index(label))
    return Split(tuple(places), tuple(targets), card.classes)


def prepare(
    checkpoints: Sequence[Checkpoint], sample: Split
) -> Iterator[tuple[float, Pixels | None]]:
    """Decode the pictures of a sample for some networks.

    Yields:
        (share that is done, None) on the way, and at the end (1, what the networks see).

    Raises:
        ValueError: if there is no picture; DataError, on the way, for one that cannot be used.
    """
    if not len(sample):
        raise ValueError(NO_PICTURE)
    parts: dict[Preprocess, list[Tensor]] = {each.preprocess: [] for each in checkpoints}
    done = 0
    for step in portions(checkpoints, sample):
        for preprocess, part in parts.items():
            part.append(step[preprocess])
        done += len(part[-1])
        yield done / len(sample), None
    yield 1.0, {preprocess: torch.cat(part) for preprocess, part in parts.items()}


def portions(checkpoints: Sequence[Checkpoint], sample: Split) -> Iterator[Pixels]:
    """What some networks see of a sample, a few pictures at a time."""
    ways = {each.preprocess for each in checkpoints}
    for step in sample.batches(_DECODED):
        yield {preprocess: prepared(preprocess, step) for preprocess in ways}


def all_prepared(checkpoints: Sequence[Checkpoint], sample: Split) -> Pixels:
    """What `prepare` gives at its end."""
    *_, (_, pixels) = prepare(checkpoints, sample)
    assert pixels is not None  # it ends with what it found
    return pixels
