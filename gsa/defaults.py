"""What a command looks at: checkpoints and their twins, pictures; and which where none is named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from gsa import checkpoints
from gsa.card import Card, CheckpointError
from gsa.pictures import PictureError, open_picture
from gsa.split import is_picture
from gsa.twins import pairs

GALLERY = Path(__file__).resolve().parent.parent / "app" / "gallery"


def default_checkpoint() -> str:
    """The GSA network of the first pair; where there is no pair, the first that has maps, or any.

    Raises:
        CheckpointError: if there is no checkpoint that can be read.
    """
    for twins in pairs().values():
        return twins["gsa"]
    cards = [card for card in checkpoints.read_cards().values() if isinstance(card, Card)]
    for card in sorted(cards, key=lambda card: "gsa" not in card.network.mixers):
        return card.name
    raise CheckpointError(f"there is no checkpoint in {checkpoints.folder()}.")


def twins_of(name: str | None) -> dict[str, str]:
    """The pair that a checkpoint belongs to, `{"gsa": name, "conv": name}`; by default the first.

    Raises:
        CheckpointError: if there is no such checkpoint, or it has no twin.
    """
    twins = with_twin(name)
    if len(twins) == 1:
        known = ", ".join(twins.values())
        raise CheckpointError(f"checkpoint {known!r} has no twin in {checkpoints.folder()}.")
    return twins


def with_twin(name: str | None) -> dict[str, str]:
    """As `twins_of`; a checkpoint without a twin stands alone, `{mixer: name}`."""
    card = checkpoints.read_card(default_checkpoint() if name is None else name)
    for twins in pairs().values():
        if card.name in twins.values():
            return {mixer: twins[mixer] for mixer in ("gsa", "conv")}
    return {card.mixer: card.name}


def _pictures_in(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Every picture of a folder and those in it, with its path there, by that; no other files.

    One that cannot be used is passed over, and named in the log.

    Raises:
        OSError: if `folder` is not a folder that can be read.
    """
    next(folder.iterdir(), None)  # `rglob` passes over a folder that is none
    inside = {path.relative_to(folder): path for path in folder.rglob("*")}
    for name in sorted(filter(is_picture, inside), key=lambda name: name.as_posix()):
        try:
            yield name.as_posix(), open_picture(inside[name])
        except PictureError as error:
            logging.getLogger(__name__).warning(
                "gsa: %r cannot be used. %s", str(inside[name]), error
            )


def first_pictures(folder: Path | None, count: int) -> tuple[Path, dict[str, Image.Image]]:
    """A folder, by default the app's gallery, and so many of its pictures, the first by name.

    Raises:
        ValueError: if `count` is below 1, or there are no pictures.
    """
    if count < 1:
        raise ValueError(f"`count` (={count}) must be at least 1.")
    folder = folder or GALLERY
    pictures = dict(islice(_pictures_in(folder), count))
    if not pictures:
        raise ValueError(f"there are no pictures in {str(folder)!r}.")
    return folder, pictures
