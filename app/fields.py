"""The receptive fields of the chosen place, in the picture at hand and in both twins.

`app.sections.ranges` draws them and `app.section_files` puts them into files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from app import experiments
from app.drawing import View
from app.figures import fields as figures
from app.text import words
from gsa.cells import Cells
from gsa.erf import Field

text = words("look")
_MARK = 1  # pixels of the input each way that mark a unit


def of(view: View) -> dict[str, list[Field]]:
    """By mixer, of the units nearest to the place (of a rectangle, its middle), layer by layer."""
    height, width = view.gsa.recording.height, view.gsa.recording.width
    place = view.chosen.place(height, width)
    return {mixer: experiments.fields(view.seen[mixer], place) for mixer in text["twins"]}


def drawn(field: Field, *, root: bool = False, see_through: bool = False) -> str:
    """The URL of a picture of a field; its circles hold 50 % and 90 % of the gradient.

    Args:
        root: whether colours are of the square root. Of a single picture the gradient is speckled,
            so that colours in proportion show few of its pixels.
        see_through: to lie over the picture.
    """
    box, centre = field.theoretical.box, field.theoretical.centre
    radii = (field.spread.radius_50, field.spread.radius_90)
    return figures.url(field.map, box, centre, radii, root=root, see_through=see_through)


def notes(field: Field) -> list[str]:
    """What stands below the picture of a field."""
    if math.isnan(field.spread.radius_90):
        return [str(text["field_nothing"])]
    radii = {"50": field.spread.radius_50, "90": field.spread.radius_90}
    return [text["field_radius"].format(part=part, radius=each) for part, each in radii.items()]


def cell(field: Field) -> Cells:
    """The pixels of the input round the unit's centre.

    That is what distances are taken from; where layers stride, it is not the middle of a cell.
    """
    (rows, columns), centre = field.map.shape, field.theoretical.centre
    row, column = (
        min(max(int(at), _MARK), side - 1 - _MARK)
        for at, side in zip(centre, (rows, columns), strict=True)
    )
    return Cells(row - _MARK, column - _MARK, row + _MARK + 1, column + _MARK + 1)


def strip_rows(view: View, found: Mapping[str, Sequence[Field]]) -> list[dict[str, Any]]:
    """As the strip component takes them, a row for each twin."""
    return [
        {
            "title": text["twins"][mixer],
            "panels": [
                {
                    "id": f"{mixer} {field.layer}",
                    "title": field.layer,
                    "url": drawn(field, root=True, see_through=view.chosen.beneath),
                    "cell": _box(field),
                    "source": [],
                    "alt": text["field_alternative"].format(
                        twin=text["twins"][mixer], layer=field.layer, notes="; ".join(notes(field))
                    ),
                    "notes": notes(field),
                    "chosen": field.layer == view.layer,
                }
                for field in of_twin
            ],
        }
        for mixer, of_twin in found.items()
    ]


def _box(field: Field) -> list[float]:
    """[left, top, width, height] of the unit's centre as shares of the picture."""
    (rows, columns), centre = field.map.shape, cell(field)
    side = 2 * _MARK + 1
    return [centre.left / columns, centre.top / rows, side / columns, side / rows]
