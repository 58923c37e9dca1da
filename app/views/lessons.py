"""Guided lessons: a question, what to do, a prepared state of another page, and what to see."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app import gallery, state, worksheet
from app.components import heading
from app.lessons import LESSONS, OnCompare, OnLook, sentences
from app.text import words

text = words("lessons")
WIDTH = 150  # of a picture, in pixels of the page


def show(number: int, name: str, opens: OnLook | OnCompare) -> None:
    """One lesson."""
    lesson = text["lessons"][name]
    st.subheader(f"{number}. {lesson['title']}", anchor=name)
    st.markdown(f"**{text['expect']}** {lesson['ask']}")
    what, beside = st.columns([5, 1], gap="medium")
    with what:
        st.markdown("\n".join(f"1. {step}" for step in sentences(name, "do")))
        st.link_button(opens.label, opens.link, type="primary", icon=":material/open_in_new:")
    if isinstance(opens, OnLook):
        title = gallery.titles()[opens.picture]
        beside.image(opens.seen(), width=WIDTH, alt=title)
    with st.expander(text["see"], icon=":material/visibility:"):
        st.markdown("\n".join(f"- {each}" for each in sentences(name, "see")))


def to_print() -> None:
    """Buttons for the lessons on paper, which are made when one is pressed."""
    here = st.context.url or ""  # not known outside a browser: addresses are relative then
    made: dict[str, Callable[[], bytes]] = {
        "questions": partial(worksheet.questions, here),
        "answers": worksheet.answers,
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(text["paper"]["lead"], width="content")
        for name, make in made.items():
            st.download_button(
                text["paper"][name],
                data=make,
                file_name=f"gsa_{text['paper'][name].lower()}.html",
                mime=worksheet.MIME,
                icon=":material/print:",
                on_click="ignore",
            )


state.show_page(text["title"])
heading(text["title"], text["lead"].format(count=len(LESSONS)))
to_print()
for number, (name, opens) in enumerate(LESSONS.items(), 1):
    with st.container(border=True):
        show(number, name, opens)
