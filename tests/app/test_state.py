import ast
from pathlib import Path

import pytest

from app.selection import Selection, from_parameters, to_parameters
from app.widgets import Widget
from gsa.cells import Cells
from gsa.preprocess import Grid

APP = Path(__file__).parents[2] / "app"
CHOSEN = Selection(
    0.125, 0.375, bottom=0.25, right=0.75, pair="tiny", layer="2.1", heads="3", direction="to",
    value="deviation", scale="all", beneath=True, over="content", section="matter", target="panda",
    source_row=0.5, source_column=0.1,
    radius=0.25, cut_layers="1.1,2.1", without="content",
    part_top=0.5, part_left=0.5, part_bottom=1.0, part_right=0.625,
    how="swap", companion_scale="own",
    other_row=0.75, other_column=0.5, other_bottom=0.875, other_right=0.625,
)  # fmt: skip


@pytest.mark.parametrize("selection", [Selection(), CHOSEN])
def test_a_link_reopens_the_selection(selection):
    assert from_parameters(to_parameters(selection, "panda.jpg")) == selection


def test_a_users_own_picture_has_no_link():
    assert to_parameters(CHOSEN, "") == {}


@pytest.mark.parametrize(
    "parameters",
    [
        {"row": "2", "column": "-1"},
        {"row": "nan", "column": "x"},
        {"heads": "²"},
        {"heads": "9" * 5000},
        {"section": "all", "without": "both", "how": "burn", "radius": "-1", "bottom": "inf"},
        {"heads": "best", "scale": "huge", "direction": "up", "value": "?"},
    ],
)
def test_what_a_link_gets_wrong_is_as_at_the_start(parameters):
    assert from_parameters(parameters) == Selection()


def test_a_place_lies_inside_the_input():
    assert Selection(1.0, 1.0).place(64, 96) == pytest.approx((64, 96), abs=0.02)
    row, column = Selection(1.0, 1.0).place(64, 96)
    assert row < 64
    assert column < 96


def test_every_field_travels_in_a_link():
    start = Selection()
    assert all(
        getattr(CHOSEN, name) != getattr(start, name) for name in Selection.__dataclass_fields__
    )


def test_a_point_is_one_cell_of_every_grid():
    grid = Grid(16, 16, 64, 64)
    assert Selection(0.5, 0.99).cells(grid) == Cells.at(8, 15)
    assert Selection(1.0, 0.0).cells(grid) == Cells.at(15, 0)


@pytest.mark.parametrize("cells", [(0, 0, 1, 2), (5, 7, 6, 9), (13, 1, 32, 32)])
def test_a_rectangle_covers_its_cells_after_a_journey_in_a_link(cells):
    top, left, bottom, right = (edge / 32 for edge in cells)
    chosen = Selection(top, left, bottom=bottom, right=right)
    again = from_parameters(to_parameters(chosen, "panda.jpg"))
    assert again.cells(Grid(32, 32, 128, 128)) == Cells(*cells)


def test_a_rectangle_touches_coarser_cells():
    chosen = Selection(5 / 32, 7 / 32, bottom=6 / 32, right=9 / 32)
    assert chosen.cells(Grid(8, 8, 128, 128)) == Cells(1, 1, 2, 3)
    assert chosen.place(128, 128) == (22, 32)


def literal_keys(source):
    """Keys of widgets in a source text that are written out, or begin so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "key":
            first = node.value.values[0] if isinstance(node.value, ast.JoinedStr) else node.value
            if isinstance(first, ast.Constant):
                yield first.value


def test_the_keys_of_all_widgets_are_listed():
    sources = [path for path in APP.rglob("*.py") if path.name != "widgets.py"]
    assert len(sources) > 30
    for path in sources:
        assert list(literal_keys(path.read_text(encoding="utf-8"))) == [], path
    names = [name for key, name in vars(Widget).items() if not key.startswith("_")]
    assert len(set(names)) == len(names)
    assert list(literal_keys("f(key='a'); g(key=f'b {c}'); h(key=d)")) == ["a", "b "]
