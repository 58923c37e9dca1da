"""Labelled pictures to ask networks about: of a folder or named one by one, and decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsa.checkpoints import Card, Checkpoint
from gsa.data import KNOWN, DataError, open_split
from gsa.evaluate import prepared
from gsa.originals import CALTECH_WORDS
from gsa.preprocess import Preprocess
from gsa.split import Folder, Split, everyday

_DECODED = 16  # pictures at their own size at once: photographs are large
NO_PICTURE = "there is no picture to ask the networks about."
Pixels = Mapping[Preprocess, Tensor]  # crops (n, 3, size, size) uint8, as each preprocessing gives


def from_folder(card: Card, folder: Path, count: int | None = None, split: str = "val") -> Split:
    """Pictures of a folder of class folders, or of the stored data set that the card names.

    Args:
        card: of a network that knows the classes.
        folder: with `<class>/<picture>`, with a folder of those for each split, or with the
            archives of a known data set.
        count: how many pictures, evenly spread over the folder; all by default.
        split: which part, where the folder has parts.

    Raises:
        DataError: if there is nothing, or a class that the network does not know.
        ValueError: if `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"`count` (={count}) must be at least 1.")
    known = str(card.recipe.get("data", ""))
    name = known if known in KNOWN else str(folder)
    found = open_split(name, split, folder)
    unknown = sorted(set(found.labels) - set(card.classes))
    if unknown:
        raise DataError(f"the folder has the class {unknown[0]!r}, which {card.name!r} lacks.")
    if count is not None and count < len(found):
        return found.subset(np.linspace(0, len(found) - 1, count).round().astype(int).tolist())
    return found


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
