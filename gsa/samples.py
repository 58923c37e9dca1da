"""Labelled pictures to compare networks on: from a data set's folder, or named one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gsa.checkpoints import Card
from gsa.data import KNOWN, DataError, open_split
from gsa.originals import CALTECH_WORDS
from gsa.pictures import open_picture
from gsa.split import everyday


@dataclass(frozen=True, eq=False)
class Sample:
    """Pictures with their right classes, in the words of a card."""

    names: tuple[str, ...]
    pictures: tuple[Image.Image, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pictures)


def from_folder(card: Card, folder: Path, count: int | None = None, split: str = "val") -> Sample:
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
        found = found.subset(np.linspace(0, len(found) - 1, count).round().astype(int).tolist())
    return Sample(
        names=tuple(Path(name).name for _, name in found.places),
        pictures=tuple(found.pictures()),
        labels=tuple(found.labels[target] for target in found.targets),
    )


def from_files(card: Card, classes: Mapping[Path, str]) -> Sample:
    """Picture files whose class a card knows; the others are left out.

    Args:
        card: of a network.
        classes: the name of the class of each file, as a class folder's or in everyday words.
    """
    spelled = {everyday(folder).lower(): word for folder, word in CALTECH_WORDS.items()}
    by_case = {label.lower(): label for label in card.classes}
    labels = {}
    for path, name in classes.items():
        plain = everyday(name).lower()
        label = by_case.get(spelled.get(plain, plain).lower())
        if label is not None:
            labels[path] = label
    return Sample(
        names=tuple(path.name for path in labels),
        pictures=tuple(open_picture(path) for path in labels),
        labels=tuple(labels.values()),
    )
