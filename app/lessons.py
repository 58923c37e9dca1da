"""The states that the lessons open: which there are, in which order, and their links.

What is said of each stands in the text of the page, under the same name. Links are spelled by the
code that reads them, and lead from the Lessons page to the others wherever the app is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from PIL import Image, ImageDraw

from app import gallery, leaving, resources
from app.selection import QUESTION, Selection
from app.text import words

_SIDE = 400  # of a picture in pixels: about 300 to the inch where it is printed


@dataclass(frozen=True)
class OnLook:
    """A prepared state of the Look page."""

    picture: str  # of the gallery
    chosen: Selection

    @property
    def link(self) -> str:
        """The address, seen from another page."""
        return "." + leaving.link(self.chosen, self.picture)

    @property
    def label(self) -> str:
        """What opens it, in words."""
        title = gallery.titles()[self.picture]
        return str(words("lessons")["open_look"].format(title=title))

    def seen(self) -> Image.Image:
        """What the networks see of the picture: the place as a square; the dot, if it has moved."""
        shown = resources.gallery_square(self.picture).resize((_SIDE, _SIDE))
        draw, chosen, start = ImageDraw.Draw(shown), self.chosen, Selection()
        row, column = chosen.row * _SIDE, chosen.column * _SIDE
        far_row, far_column = chosen.source_row * _SIDE, chosen.source_column * _SIDE
        moved = (chosen.source_row, chosen.source_column) != (start.source_row, start.source_column)
        for reach, colour in ((_SIDE / 32, "white"), (_SIDE / 40, "black")):  # on any ground
            edges = (column - reach, row - reach, column + reach, row + reach)
            draw.rectangle(edges, outline=colour, width=_SIDE // 100)
            if moved:
                dot = (far_column - reach, far_row - reach, far_column + reach, far_row + reach)
                draw.ellipse(dot, fill=colour)
        return shown


@dataclass(frozen=True)
class OnCompare:
    """A question of the Compare page."""

    question: str

    @property
    def link(self) -> str:
        """The address, seen from another page."""
        return "./compare?" + urlencode({QUESTION: self.question})

    @property
    def label(self) -> str:
        """What opens it, in words."""
        title = words("compare")["sections"][self.question]
        return str(words("lessons")["open_compare"].format(title=title))


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
    "heat": OnLook("kangaroo_0030.jpg", Selection(section="why")),
}


def sentences(name: str, part: str) -> list[str]:
    """What a lesson says, where it names things as the other pages do.

    Args:
        name: of the lesson.
        part: what to `do`, or what to `see`; or the heads of a table to fill in, `across` and
            `down`, of which most lessons have none.
    """
    others = {page: words(page) for page in ("look", "compare")}
    return [each.format(**others) for each in words("lessons")["lessons"][name].get(part, [])]
