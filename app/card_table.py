"""What cards say, as a table; the pages differ in the columns that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import markup
from app.text import words
from gsa.card import CALIBRATION_BINS, Card

text = words("cards")
_OTHERS: dict[str, Callable[[Card], object]] = {  # than the results
    "name": lambda card: card.name,
    "pair": lambda card: markup.pair_name(card.pair),
    "mixer": lambda card: text["mixers"][card.mixer],
    "parameters": lambda card: card.params / 1e6,
    "operations": lambda card: card.flops / 1e9,
    "interval": lambda card: " – ".join(
        f"{bound:.1%}" for bound in card.results.get("top1_interval", ())
    ),
    "n": lambda card: card.results.get("n"),
    "size": lambda card: card.preprocess.size,
}
_FORMATS = {"parameters": "%.2f M", "operations": "%.2f G", "size": "%d px"}
_SHARES = ("top1", "top5", "mean_per_class", "calibration_error")  # as `Card.results` names them


def card_table(cards: Sequence[Card], columns: Sequence[str]) -> None:
    """A row for each card, all of them in sight.

    Args:
        cards: in the order of the rows.
        columns: keys of the `names` in the text, in order.
    """
    st.dataframe(
        [{text["names"][key]: _value(card, key) for key in columns} for card in cards],
        hide_index=True,
        height="content",
        column_config={text["names"][key]: _column(key) for key in columns},
    )


def _value(card: Card, key: str) -> object:
    if key in _SHARES:
        return markup.in_percent(card.results.get(key))
    return _OTHERS[key](card)


def _column(key: str) -> Any:
    said = text["help"].get(key, "").format(bins=CALIBRATION_BINS) or None
    if key in _SHARES:
        return markup.PERCENT | {"help": said}
    if key in _FORMATS:
        return st.column_config.NumberColumn(format=_FORMATS[key], help=said)
    return st.column_config.Column(help=said)
