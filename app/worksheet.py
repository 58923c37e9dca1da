"""The lessons on paper: a page to print and write on, and another with what there is to see."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

import gsa
from app import gallery, resources
from app.components import asset
from app.lessons import LESSONS, OnLook, sentences
from app.text import words

MIME = "text/html"
text = words("lessons")
_SIDE = 400  # of a picture at most, in pixels: about 300 to the inch as it is printed


def questions(here: str) -> bytes:
    """What to expect and what to do, with room to write, as one HTML file.

    Args:
        here: the address of the Lessons page as its reader sees it; what the lessons open is
            printed with its whole address.
    """
    shown = []
    for name, opens in LESSONS.items():
        lesson = _lesson(name, "do") | {"address": urljoin(here, opens.link)}
        if isinstance(opens, OnLook):
            lesson |= {"picture": _picture(opens.picture), "alt": gallery.titles()[opens.picture]}
        shown.append(lesson)
    paper = text["paper"]
    return _page(paper["questions"], shown, fields=paper["fields"], rooms=paper["rooms"])


def answers() -> bytes:
    """What there is to see, for the teacher, as one HTML file."""
    return _page(text["paper"]["answers"], [_lesson(name, "see") for name in LESSONS])


def _page(title: str, lessons: list[dict[str, Any]], **more: Any) -> bytes:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["inline"] = _inline
    template = environment.from_string(asset("worksheet.html"))
    page = template.render({"title": title, "lessons": lessons, "fields": [], "rooms": {}} | more)
    return page.encode()


def _lesson(name: str, part: str) -> dict[str, Any]:
    lesson = text["lessons"][name]
    start = {key: lesson[key] for key in ("title", "ask")}
    return start | {"sentences": sentences(name, part), "picture": "", "address": ""}


def _picture(name: str) -> str:
    picture = gsa.open_picture(gallery.FOLDER / name)
    picture.thumbnail((_SIDE, _SIDE))
    return resources.data_url(picture, "JPEG")


def _inline(sentence: str) -> Markup:
    """Markdown as HTML; what is markup already stays text."""
    return Markup(MarkdownIt("js-default").renderInline(sentence))
