"""The lessons on paper: a page to print and write on, and another with what there is to see."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from app import gallery, resources
from app.compare_pictures import HERE
from app.components import asset
from app.lessons import LESSONS, OnLook, sentences
from app.text import words

MIME = "text/html"
text = words("lessons")


def questions(here: str) -> bytes:
    """What to expect and what to do, with room to write, as one HTML file.

    Args:
        here: the address of the Lessons page as its reader sees it. It is printed, unless it is
            of use on the serving computer alone: then there is room for the right one. What the
            lessons open is linked by its whole address.
    """
    shown = []
    for name, opens in LESSONS.items():
        axes = text["lessons"][name].get("axes", [])
        lesson = _lesson(name, "do") | {
            "axes": axes,
            "across": sentences(name, "across"),
            "down": sentences(name, "down"),
            "link": urljoin(here, opens.link),
            "opens": opens.label,
        }
        if isinstance(opens, OnLook):
            picture = resources.data_url(opens.seen(), "JPEG")
            lesson |= {"picture": picture, "alt": gallery.titles()[opens.picture]}
        shown.append(lesson)
    paper = text["paper"]
    # where the serving computer is asked by itself, its address is of no use to others
    at_itself = urlsplit(here).hostname in HERE
    found = "" if at_itself else here
    more = {"fields": paper["fields"], "rooms": paper["rooms"], "lead": paper["open"]}
    return _page("questions", shown, **more, address=found)


def answers() -> bytes:
    """What there is to see, for the teacher, as one HTML file."""
    return _page("answers", [_lesson(name, "see") for name in LESSONS])


def _page(kind: str, lessons: list[dict[str, Any]], **more: Any) -> bytes:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["inline"] = _inline
    template = environment.from_string(asset("worksheet.html"))
    known = {"title": text["paper"]["titles"][kind], "kind": kind, "lessons": lessons}
    return template.render({"fields": [], "rooms": {}, "lead": ""} | known | more).encode()


def _lesson(name: str, part: str) -> dict[str, Any]:
    lesson = text["lessons"][name]
    start = {key: lesson[key] for key in ("title", "ask")}
    shown = {"sentences": sentences(name, part)}
    return start | shown | {"picture": "", "link": "", "axes": [], "across": []}


def _inline(sentence: str) -> Markup:
    """Markdown as HTML; what is markup already stays text."""
    return Markup(MarkdownIt("js-default").renderInline(sentence))
