"""Convolution and GSA with one ruler: one question at a time, measured when it is asked."""

import streamlit as st

import gsa
from app import compare_resources, links, markup, resources, state
from app.components import heading
from app.selection import PAIR, QUESTION
from app.text import words
from app.views import compare_cost, compare_fields, compare_right, compare_trials
from app.widgets import Widget
from gsa.card import CheckpointError
from gsa.checkpoints import folder

text = words("compare")

state.show_page(text["title"])
head, choice = st.columns([12, 3], vertical_alignment="bottom")
with head:
    heading(text["title"], text["lead"])
asked = state.asked()
try:
    known = list(gsa.pairs())
    pair = resources.twins(state.selection().pair)
    compare_resources.cards(pair)
except CheckpointError as error:
    st.error(text["broken"].format(error=error))
    st.stop()
if not pair:
    st.error(text["no_checkpoints"].format(folder=folder()))
    st.stop()

SECTIONS = {
    "fields": compare_fields.show,
    "cost": compare_cost.show,
    "right": compare_right.show,
    "stress": compare_trials.stress,
    "probes": compare_trials.probes,
    "paper": compare_right.paper,
}
WITHOUT_PAIR = {"probes"}  # its twins are made on the spot
question = asked.get(QUESTION)
question = question if question in SECTIONS else next(iter(SECTIONS))
if len(known) > 1 and question not in WITHOUT_PAIR:
    with choice:
        markup.pair_box(known, on_change=state.ask)
if wrong := links.not_there(asked, {QUESTION: SECTIONS, PAIR: known}):
    st.warning(wrong)
state.set_widget(Widget.compare_section, question)
section = st.segmented_control(
    text["section"],
    list(SECTIONS),
    format_func=text["sections"].get,
    required=True,
    label_visibility="collapsed",
    key=Widget.compare_section,
    on_change=state.ask,
    args=(QUESTION, Widget.compare_section),
)
SECTIONS[str(section)](pair)
