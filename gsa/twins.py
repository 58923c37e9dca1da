"""Which checkpoints belong together: the GSA network of a pair and its convolution twin."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

from gsa.card import Card, CheckpointError
from gsa.checkpoints import read_cards
from gsa.preprocess import Preprocess


def pairs(directory: str | Path | None = None) -> dict[str, dict[str, str]]:
    """Twins by pair and mixer, `{"caltech94": {"gsa": name, "conv": name}}`; whole pairs only.

    A card that cannot be read is passed over, and named in the log; so are twins that do not see
    the same picture, do not number the same classes alike, or differ in more than the mixer. Of
    several networks with one mixer in a pair it takes the first by name.
    """
    found: dict[str, dict[str, Card]] = {}
    for card in read_cards(directory).values():
        if isinstance(card, CheckpointError):
            _warn_once(str(card))
            continue
        twins = found.setdefault(card.pair, {})
        if card.mixer in twins:
            first = twins[card.mixer].name
            _warn_once(f"{card.name!r} is a {card.mixer} network of {card.pair!r} as {first!r} is.")
            continue
        twins[card.mixer] = card
    whole = {}
    for pair, twins in found.items():
        if not {"gsa", "conv"} <= set(twins):
            continue
        if _shared(twins["gsa"]) != _shared(twins["conv"]):
            _warn_once(
                f"the twins of {pair!r} differ in their classes, their preprocessing or the shape "
                "of their network."
            )
            continue
        whole[pair] = {mixer: card.name for mixer, card in twins.items()}
    return whole


def _shared(card: Card) -> tuple[tuple[str, ...], Preprocess, dict[str, Any]]:
    """What twins must have in common."""
    return card.classes, card.preprocess, card.network.shape()


@cache
def _warn_once(sentence: str) -> None:
    """The app looks for pairs in every run, and its log is to say a thing once."""
    logging.getLogger(__name__).warning("gsa: %s", sentence)
