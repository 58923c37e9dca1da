"""What the networks are and how well they do, from their cards."""

from typing import Any

import streamlit as st

from app import markup, state
from app.card_table import card_table
from app.components import heading
from app.figures import compare
from app.text import words
from app.widgets import Widget
from gsa import checkpoints
from gsa.card import Card, CheckpointError
from gsa.recipe import listed

text = words("networks")
KINDS = words("cards")["mixers"]  # the order of twins, as everywhere
COLUMNS = (
    *("name", "pair", "mixer", "parameters", "operations", "top1", "interval", "top5"),
    *("mean_per_class", "calibration_error", "size"),
)

state.show_page(text["title"])
heading(text["title"], text["lead"])
found = checkpoints.read_cards()
if not found:
    st.info(text["none"].format(folder=checkpoints.folder()))
    st.stop()

for card in found.values():
    if isinstance(card, CheckpointError):
        st.error(text["broken"].format(error=card))
cards = [card for card in found.values() if isinstance(card, Card)]
if not cards:
    st.stop()
by_pair: dict[str, list[Card]] = {}
for card in cards:
    by_pair.setdefault(card.pair, []).append(card)
for twins in by_pair.values():
    twins.sort(key=lambda card: list(KINDS).index(card.mixer))
card_table([card for twins in by_pair.values() for card in twins], COLUMNS)


def draw_training(twins: list[Card]) -> None:
    """How training went, in one chart for each figure.

    Args:
        twins: cards of one pair.
    """
    histories = {card.mixer: checkpoints.history(card.name) for card in twins}
    shown = list(text["training"])
    for column, figure in zip(st.columns(len(shown), gap="large"), shown, strict=True):
        title = text["training"][figure]
        lines = {
            KINDS[mixer]: (mixer, [(each["epoch"], each[figure]) for each in history])
            for mixer, history in histories.items()
            if history and all(figure in each for each in history)
        }
        if not lines:
            continue
        chart = compare.over_epochs(lines, title, text["epoch"], share=figure != "loss")
        with column:
            pair = twins[0].pair
            said = f"{title}: {markup.pair_name(pair)}"
            markup.chart(chart, said, f"{Widget.training} {figure} {pair}")
    st.caption(_jumps(twins[0].recipe))


def _jumps(recipe: dict[str, Any]) -> str:
    """Why the curves of a recipe may jump; empty if they have no reason to."""
    said = []
    if restart := recipe.get("restart"):
        said.append(text["restart"].format(epochs=listed(restart)))
    if recipe.get("augment_from"):
        said.append(text["augment"].format(epoch=recipe["augment_from"] + 1))
    if recipe.get("early_epochs"):
        said.append(text["early_parts" if restart else "early"].format(**recipe))
    return " ".join(said)


if any(checkpoints.history(card.name) for card in cards):
    st.caption(text["curves"])
for pair, twins in by_pair.items():
    st.subheader(markup.pair_name(pair), anchor=False)
    draw_training(twins)
    for card in twins:
        with st.expander(text["card"].format(name=card.name)):
            if teachers := card.recipe.get("teachers"):
                share = card.recipe["teacher_share"]
                st.markdown(text["taught"].format(teachers=" and ".join(teachers), share=share))
            if card.use:
                st.markdown(text["use"].format(use=card.use, limits=card.limits))
            st.json(card.to_dict(), expanded=1)
