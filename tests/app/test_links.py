"""What a link gets wrong is put right and said in one sentence."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.links import Known, complaint, fitted
from app.selection import Selection, from_parameters, to_parameters
from app.widgets import Widget
from tests.app.test_pages import MAIN
from tests.app.test_state import CHOSEN

KNOWN = Known(("panda.jpg",), ("tiny", "small"), ("1.1", "2.1"), 4, ("ant", "bee", "panda"))


def followed(**said):
    shown = fitted(from_parameters(said), KNOWN)
    return shown, complaint(said, shown, KNOWN)


@pytest.mark.parametrize("chosen", [Selection(), CHOSEN, replace(CHOSEN, cut_layers="2.1,1.1")])
def test_nothing_is_said_of_a_link_that_can_be_followed(chosen):
    said = to_parameters(chosen, "panda.jpg")
    shown, sentence = followed(**said)
    assert sentence == ""
    assert set(shown.cut_layers.split(",")) == set(chosen.cut_layers.split(","))
    assert replace(shown, cut_layers="") == replace(chosen, cut_layers="")


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("layer", "9.9", "must be one of 1.1, 2.1"),
        ("pair", "large", "must be one of tiny, small"),
        ("heads", "4", "must be one of mean, absolute, max, 0, 1, 2, 3"),
        ("heads", "²", "must be one of mean"),
        ("target", "zebra", "must be a class that the networks know"),
        ("cut_layers", "1.1,7.7", "must be some of 1.1, 2.1"),
        ("row", "2", "must be a number from 0 to 1"),
        ("radius", "nan", "must be a number from 0 to 1"),
        ("beneath", "yes", "must be 0 or 1"),
        ("section", "all", "must be one of heads, places"),
        ("bottom", "0.2", "the bottom edge below the top"),
        ("other_right", "0.1", "the bottom edge below the top"),
        ("part_top", "0.9", "the bottom edge below the top"),
        ("picture", "zebra.jpg", "must be the file name of a gallery picture"),
        ("x", "foo", "there is no setting `x`"),
    ],
)
def test_what_is_wrong_is_named_with_value_and_rule_and_does_not_travel_on(name, value, rule):
    shown, sentence = followed(**{name: value})
    assert sentence.count(". ") == 1
    assert rule in sentence
    assert f"`{name}`" in sentence
    assert name == "x" or f"`{value}`" in sentence
    again = to_parameters(shown, "panda.jpg")
    assert again.get(name) != value
    assert complaint(again, fitted(from_parameters(again), KNOWN), KNOWN) == ""


def test_what_is_right_beside_it_stays():
    shown, _ = followed(layer="9.9", heads="2", row="0.25", cut_layers="2.1")
    assert shown == Selection(row=0.25, heads="2", cut_layers="2.1")


def test_a_list_with_a_wrong_entry_is_as_at_the_start_as_the_sentence_says():
    shown, sentence = followed(cut_layers="7.7,2.1")
    assert shown.cut_layers == ""
    assert "with commas between" in sentence
    assert followed(cut_layers=",2.1,")[0].cut_layers == "2.1"


def test_a_link_cannot_write_markup_into_the_page_or_fill_it():
    said = {f"x{at}": "y" for at in range(50)}
    _, sentence = followed(**{"a`b](http://c)": "1", **said})
    assert "`a'b](http://c)`" in sentence
    assert "and 48 more" in sentence
    _, sentence = followed(layer="9" * 5000)
    assert len(sentence) < 250


def opened(**parameters):
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def test_the_page_says_it_once_and_cleans_the_address(tiny_checkpoints):
    app = opened(picture="panda_0021.jpg", layer="9.9", x="foo", heads="1")
    (warning,) = app.warning
    assert "`9.9`" in warning.value
    assert "`x`" in warning.value
    assert set(app.query_params) == {"picture", "row", "column", "heads"}
    app.selectbox(Widget.direction).set_value("to").run()
    assert not app.warning


def test_an_unknown_picture_is_answered_with_the_first(tiny_checkpoints):
    app = opened(picture="zebra.jpg")
    assert "`zebra.jpg`" in app.warning[0].value
    assert app.query_params["picture"] in ("dalmatian_0002.jpg", ["dalmatian_0002.jpg"])


def test_a_good_link_is_opened_without_a_word(tiny_checkpoints):
    assert not opened(picture="panda_0021.jpg", row="0.9", layer="2.1", section="take").warning
