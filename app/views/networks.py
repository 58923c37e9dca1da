"""What the networks are and how well they do, from their cards."""

import streamlit as st

from app import markup, state
from app.components import heading
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
for card in cards:
    with st.expander(text["card"].format(name=card.name)):
        curves = checkpoints.folder() / f"{card.name}.curves.png"
        if curves.is_file():
            st.image(str(curves))
            st.caption(text["curves"])
        if teachers := card.recipe.get("teachers"):
            share = card.recipe["teacher_share"]
            st.markdown(text["taught"].format(teachers=" and ".join(teachers), share=share))
        if card.use:
            st.markdown(text["use"].format(use=card.use, limits=card.limits))
        st.json(card.to_dict(), expanded=1)
