"""Links to the Compare page: its question and its pair in the address."""

from streamlit.testing.v1 import AppTest

import gsa
from app import state
from app.selection import PAIR, QUESTION
from app.widgets import Widget
from tests.app import compare_support
from tests.app.compare_support import section
from tests.app.test_pages import MAIN

page, two_pairs = compare_support.page, compare_support.two_pairs


def named(app, parameter):
    """What the address says: a list of one after a link, text after a choice."""
    value = app.query_params[parameter]
    return value if isinstance(value, str) else value[0]


def linked(**parameters):
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    app.query_params.clear()
    app.query_params.update(parameters)
    app.switch_page("views/compare.py").run()
    assert not app.exception
    return app


def test_a_link_opens_its_question_and_a_choice_is_written_into_it(page):
    app = linked(question="stress")
    assert app.button_group(Widget.compare_section).value == "stress"
    assert not app.warning
    section(app, "paper")
    assert app.button_group(Widget.compare_section).value == "paper"
    assert named(app, QUESTION) == "paper"


def test_a_question_there_is_not_gets_one_sentence_and_the_first(page):
    app = linked(question="probe")
    (warning,) = app.warning
    assert "`question` (= `probe`) must be one of fields, cost, right" in warning.value
    assert app.button_group(Widget.compare_section).value == "fields"
    section(app, "probes")
    assert not app.warning


def test_an_address_that_was_gone_back_to_is_followed(page, monkeypatch):
    app = section(linked(question="stress"), "paper")
    app.query_params[QUESTION] = "stress"
    app.run()  # the browser has not got the address of the choice yet
    assert app.button_group(Widget.compare_section).value == "paper"
    monkeypatch.setattr(state, "_SETTLED", 0)
    app.query_params[QUESTION] = "stress"
    app.run()
    assert app.button_group(Widget.compare_section).value == "stress"


def test_the_question_is_kept_while_another_page_is_looked_at(page, monkeypatch):
    monkeypatch.setattr(state, "_SETTLED", 0)
    app = section(page, "paper")
    app.query_params.clear()  # as the navigation does
    app.switch_page("views/networks.py").run()
    app.switch_page("views/compare.py").run()
    assert app.button_group(Widget.compare_section).value == "paper"
    assert named(app, QUESTION) == "paper"
    app.query_params[QUESTION] = "stress"  # as a link opens it, or Back
    app.run()
    app.query_params.clear()
    app.switch_page("views/networks.py").run()
    app.switch_page("views/compare.py").run()
    assert app.button_group(Widget.compare_section).value == "stress"
    app.query_params.clear()  # Back, to before the question was asked
    assert app.run().button_group(Widget.compare_section).value == "fields"


def test_a_link_opens_its_pair_and_a_choice_is_written_into_it(two_pairs, monkeypatch):
    monkeypatch.setattr(state, "_SETTLED", 0)
    first, second = gsa.pairs()
    app = linked(question="paper", pair=second)
    assert app.selectbox(Widget.pair).value == second
    assert not app.warning
    app.selectbox(Widget.pair).select(first).run()
    assert (named(app, PAIR), named(app, QUESTION)) == (first, "paper")
    app.query_params[PAIR] = second  # Back
    assert app.run().selectbox(Widget.pair).value == second
    app.query_params.clear()  # Back, to before anything was chosen
    assert app.run().selectbox(Widget.pair).value == first


def test_the_pair_of_another_page_is_put_into_the_address(two_pairs, monkeypatch):
    monkeypatch.setattr(state, "_SETTLED", 0)
    _, second = gsa.pairs()
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    app.selectbox(Widget.pair).select(second).run()
    app.query_params.clear()  # as the navigation does
    app.switch_page("views/compare.py").run()
    assert app.selectbox(Widget.pair).value == named(app, PAIR) == second


def test_a_pair_there_is_not_gets_one_sentence_and_the_first(two_pairs):
    first, second = gsa.pairs()
    app = linked(question="probe", pair="other")
    (warning,) = app.warning
    assert "`question` (= `probe`) must be one of fields, cost, right" in warning.value
    assert f"`pair` (= `other`) must be one of {first}, {second}." in warning.value
    assert app.selectbox(Widget.pair).value == first


def test_the_look_page_says_nothing_of_a_question(tiny_checkpoints):
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.query_params[QUESTION] = "stress"
    app.switch_page("views/compare.py").run()
    assert app.button_group(Widget.compare_section).value == "stress"
    app.query_params.clear()
    app.switch_page("views/look.py").run()
    assert not app.exception
    assert not app.warning


def test_where_no_pair_has_a_part_none_is_chosen(two_pairs, monkeypatch):
    monkeypatch.setattr(state, "_SETTLED", 0)
    _, second = gsa.pairs()
    app = linked(question="probes", pair=second)
    assert Widget.pair not in [each.key for each in app.selectbox]
    section(app, "paper")
    assert app.selectbox(Widget.pair).value == named(app, PAIR) == second
    section(app, "probes")
    assert Widget.pair not in [each.key for each in app.selectbox]
    assert named(app, PAIR) == second  # and with the next question it is there again
