import pytest

from app.state import Selection, from_parameters, to_parameters

CHOSEN = Selection(
    0.125, 0.75, layer="2.1", heads="3", direction="to", value="deviation", scale="all",
    beneath=True,
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
