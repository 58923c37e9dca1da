"""The states that the lessons open: which there are, in which order, and their links.

What is said of each stands in the text of the page, under the same name. Links are spelled by the
code that reads them, and lead from the Lessons page to the others wherever the app is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from app import leaving
from app.selection import QUESTION, Selection
from app.text import words


@dataclass(frozen=True)
class OnLook:
    """A prepared state of the Look page."""

    picture: str  # of the gallery
    chosen: Selection

    @property
    def link(self) -> str:
        """The address, seen from another page."""
        return "." + leaving.link(self.chosen, self.picture)


@dataclass(frozen=True)
class OnCompare:
    """A question of the Compare page."""

    question: str

    @property
    def link(self) -> str:
        """The address, seen from another page."""
        return "./compare?" + urlencode({QUESTION: self.question})


LESSONS: dict[str, OnLook | OnCompare] = {
    "map": OnLook("dalmatian_0002.jpg", Selection(0.44, 0.26, layer="2.1", heads="0")),
    "branches": OnLook("umbrella_0054.jpg", Selection(0.5, 0.25, layer="2.1", other_row=0.5)),
    "steps": OnLook(
        "grand_piano_0098.jpg",
        Selection(0.6, 0.3, layer="2.1", heads="0", source_row=0.2, source_column=0.7),
    ),
    "fields": OnCompare("fields"),
    "cut": OnLook("bonsai_0052.jpg", Selection(section="matter", radius=1 / 16)),
    "probes": OnCompare("probes"),
    "trust": OnLook(
        "watch_0063.jpg", Selection(layer="1.1", section="stable", companion_scale="own")
    ),
}


def sentences(name: str, part: str) -> list[str]:
    """What a lesson says, where it names things as the other pages do.

    Args:
        name: of the lesson.
        part: what to `do`, or what to `see`.
    """
    others = {page: words(page) for page in ("look", "compare")}
    return [each.format(**others) for each in words("lessons")["lessons"][name][part]]
