"""What the networks are and how well they do, from their cards."""

import streamlit as st

from app import markup, state
from app.components import heading
from app.figures import compare
from app.state import Widget
from app.text import words
from gsa import checkpoints

text = words("networks")
BINS = checkpoints.CALIBRATION_BINS
HELP = {key: said.format(bins=BINS) for key, said in text["help"].items()}

state.show_page(text["title"])
heading(text["title"], text["lead"])
found = checkpoints.read_cards()
if not found:
    st.info(text["none"].format(folder=checkpoints.folder()))
    st.stop()

for card in found.values():
    if isinstance(card, checkpoints.CheckpointError):
        st.error(text["broken"].format(error=card))
cards = [card for card in found.values() if isinstance(card, checkpoints.Card)]
if not cards:
    st.stop()
st.dataframe(
    [
        {
            text["name"]: card.name,
            text["pair"]: markup.pair_name(card.pair),
            text["mixer"]: text["mixers"][card.mixer],
            text["parameters"]: card.params / 1e6,
            text["operations"]: card.flops / 1e9,
            text["top1"]: markup.in_percent(card.results.get("top1")),
            text["interval"]: " – ".join(
                f"{bound:.1%}" for bound in card.results.get("top1_interval", ())
            ),
            text["top5"]: markup.in_percent(card.results.get("top5")),
            text["mean_per_class"]: markup.in_percent(card.results.get("mean_per_class")),
            text["calibration"]: markup.in_percent(card.results.get("calibration_error")),
            text["size"]: card.preprocess.size,
        }
        for card in cards
    ],
    hide_index=True,
    column_config={
        **{text[key]: st.column_config.Column(help=said) for key, said in HELP.items()},
        text["parameters"]: st.column_config.NumberColumn(format="%.2f M"),
        text["operations"]: st.column_config.NumberColumn(format="%.2f G", help=HELP["operations"]),
        text["size"]: st.column_config.NumberColumn(format="%d px"),
        **{
            text[key]: markup.PERCENT | {"help": HELP[key]}
            for key in ("top1", "top5", "mean_per_class", "calibration")
        },
    },
)


def draw_training(twins: list[checkpoints.Card]) -> None:
    """How training went, in one chart for each figure.

    Args:
        twins: cards of one pair.
    """
    histories = {card.mixer: checkpoints.history(card.name) for card in twins}
    shown = list(text["training"])
    for column, figure in zip(st.columns(len(shown), gap="large"), shown, strict=True):
        title = text["training"][figure]
        lines = {
            text["mixers"][mixer]: (mixer, [(each["epoch"], each[figure]) for each in history])
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


by_pair: dict[str, list[checkpoints.Card]] = {}
for card in cards:
    by_pair.setdefault(card.pair, []).append(card)
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
