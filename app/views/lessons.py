"""Guided lessons: a question, what to do, a prepared state of another page, and what to see."""

import streamlit as st

from app import gallery, state
from app.components import heading
from app.lessons import LESSONS, OnCompare, OnLook
from app.text import words

text = words("lessons")
OTHERS = {page: words(page) for page in ("look", "compare")}  # lessons name things as they do
WIDTH = 150  # of a picture, in pixels of the page


def show(number: int, name: str, opens: OnLook | OnCompare) -> None:
    """One lesson."""
    lesson = text["lessons"][name]
    st.subheader(f"{number}. {lesson['title']}", anchor=name)
    st.markdown(f"**{text['expect']}** {lesson['ask']}")
    what, beside = st.columns([5, 1], gap="medium")
    with what:
        st.markdown("\n".join(f"1. {step.format(**OTHERS)}" for step in lesson["do"]))
        st.link_button(_label(opens), opens.link, type="primary", icon=":material/open_in_new:")
    if isinstance(opens, OnLook):
        title = gallery.titles()[opens.picture]
        beside.image(str(gallery.FOLDER / opens.picture), width=WIDTH, alt=title)
    with st.expander(text["see"], icon=":material/visibility:"):
        st.markdown("\n".join(f"- {each.format(**OTHERS)}" for each in lesson["see"]))


def _label(opens: OnLook | OnCompare) -> str:
    if isinstance(opens, OnLook):
        return text["open_look"].format(title=gallery.titles()[opens.picture])
    return text["open_compare"].format(title=OTHERS["compare"]["sections"][opens.question])


state.show_page(text["title"])
heading(text["title"], text["lead"].format(count=len(LESSONS)))
for number, (name, opens) in enumerate(LESSONS.items(), 1):
    with st.container(border=True):
        show(number, name, opens)
