"""What is looked at, as one value, and how a link spells it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from gsa.cells import Cells
from gsa.maps import Direction
from gsa.preprocess import Grid

Heads = str  # "mean", "absolute", "max", or a head's number from 0
Scale = Literal["own", "layer", "all"]
Value = Literal["weight", "absolute", "deviation", "contribution"]
Over = Literal["photo", "content", "positional"]
Source = Literal["gallery", "upload", "camera"]  # where a picture comes from
OWN = "own-"  # begins the sign of a picture of one's own
Section = Literal["heads", "places", "matter", "stable", "range", "why", "take"]
Without = Literal["none", "content", "positional"]
How = Literal["blank", "blur", "swap"]
CompanionScale = Literal["shared", "own"]
ANCHOR = "section"  # of the section, which a link that names one scrolls to
QUESTION, PAIR = "question", "pair"  # the parameters of a link to the Compare page


@dataclass(frozen=True)
class Selection:
    """What is looked at. All of it can travel in a link."""

    row: float = 0.5  # the place, as a share of the height of what the network sees
    column: float = 0.5  # and of its width
    bottom: float = 0.0  # other corner, where the place is a rectangle; 0 where it is a point
    right: float = 0.0
    pair: str = ""  # of checkpoints; empty: the first
    layer: str = ""  # empty: the page chooses
    heads: Heads = "mean"
    direction: Direction = "from"
    value: Value = "weight"
    scale: Scale = "own"
    beneath: bool = False
    over: Over = "photo"  # what lies on the large picture: nothing, or the layer's map of a branch
    section: Section = "heads"  # what is shown below the maps
    source_row: float = 0.25  # the place whose one weight is taken apart
    source_column: float = 0.25
    target: str = ""  # a class by its label; empty: what the GSA network says
    radius: float = 1.0  # beyond which weights are cut, as a share of the input; 1: no cut
    cut_layers: str = ""  # layers that are cut, with commas between; empty: all
    without: Without = "none"  # the branch that is switched off
    part_top: float = 0.0  # the part of the picture that is changed
    part_left: float = 0.75
    part_bottom: float = 0.25
    part_right: float = 1.0
    how: How = "blank"  # how it is changed
    companion_scale: CompanionScale = "shared"  # of a map and its companions
    other_row: float = 0.25  # the other place, whose maps stand beside; as the place
    other_column: float = 0.25
    other_bottom: float = 0.0
    other_right: float = 0.0

    @property
    def is_region(self) -> bool:
        """Whether the place is a rectangle."""
        return self.bottom > self.row and self.right > self.column

    @property
    def middle(self) -> tuple[float, float]:
        """(row, column) of the point, or of the rectangle's middle, as shares of the input."""
        if not self.is_region:
            return self.row, self.column
        return (self.row + self.bottom) / 2, (self.column + self.right) / 2

    def place(self, height: int, width: int) -> tuple[float, float]:
        """(row, column) of `middle` in pixels of the input."""
        row, column = self.middle
        return min(row * height, height - 0.01), min(column * width, width - 0.01)

    def cells(self, grid: Grid) -> Cells:
        """The cells of a layer's grid that the place touches."""
        edges = self.region(grid.height, grid.width)
        return Cells.over(grid, *edges) if edges else Cells.at(*self.point(grid))

    def region(self, height: int, width: int) -> tuple[float, float, float, float] | None:
        """(top, left, bottom, right) of the rectangle in pixels of the input; None for a point."""
        if not self.is_region:
            return None
        return self.row * height, self.column * width, self.bottom * height, self.right * width

    def point(self, grid: Grid) -> tuple[int, int]:
        """(row, column) of the cell at the point, or in the rectangle's middle."""
        return grid.cell_at(*self.place(grid.height, grid.width))

    @property
    def other(self) -> Selection:
        """The same of the other place, whose other place is this one."""
        return replace(
            self,
            row=self.other_row,
            column=self.other_column,
            bottom=self.other_bottom,
            right=self.other_right,
            other_row=self.row,
            other_column=self.column,
            other_bottom=self.bottom,
            other_right=self.right,
        )

    def source(self, grid: Grid) -> tuple[int, int]:
        """(row, column) of the cell whose weight is taken apart."""
        return Selection(self.source_row, self.source_column).point(grid)


CHOICES = {
    "direction": get_args(Direction),
    "value": get_args(Value),
    "over": get_args(Over),
    "scale": get_args(Scale),
    "section": get_args(Section),
    "without": get_args(Without),
    "how": get_args(How),
    "companion_scale": get_args(CompanionScale),
    # a list, since text that looks like a number need not be one ("²")
    "heads": ("mean", "absolute", "max", *map(str, range(64))),
}


def from_parameters(parameters: dict[str, str]) -> Selection:
    """The selection of a link; what it lacks or gets wrong is as at the start."""
    start = Selection()
    read: dict[str, Any] = {}
    for each in fields(Selection):
        text = parameters.get(each.name)
        if text is None:
            continue
        default = getattr(start, each.name)
        if isinstance(default, bool):
            read[each.name] = text == "1"
        elif isinstance(default, float):
            read[each.name] = _share(text, default)
        elif text in CHOICES.get(each.name, (text,)):
            read[each.name] = text
    return replace(start, **read)


def _share(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1 else otherwise


def to_parameters(chosen: Selection, picture: str) -> dict[str, str]:
    """The parameters of a link.

    Args:
        chosen: what is looked at.
        picture: the file name of a gallery picture, or the sign of one's own, which stays with the
            visitor: the link leads back to it in the same session alone. Empty: no link.
    """
    if not picture:
        return {}
    parameters = {"picture": picture}
    start = Selection()
    for each in fields(Selection):
        value = getattr(chosen, each.name)
        if value == getattr(start, each.name) and each.name not in ("row", "column"):
            continue
        if isinstance(value, bool):
            parameters[each.name] = str(int(value))
        else:
            parameters[each.name] = f"{value:.4f}" if isinstance(value, float) else value
    return parameters
