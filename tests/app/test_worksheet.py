"""The lessons on paper say what the page says, and nothing of the answers on the questions."""

import html
import re
from urllib.parse import urljoin

import pytest

from app import worksheet
from app.lessons import LESSONS, OnLook, sentences
from app.text import words

TEXT = words("lessons")
HERE = "https://class.example/gsa/lessons"


def said(page):
    """The words of a page without its markup."""
    bare = re.sub(r"<(style|title).*?</\1>|</?(strong|em)>", "", page.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def plain(sentence):
    return sentence.replace("*", "")


@pytest.fixture(scope="module")
def questions():
    return worksheet.questions(HERE)


def test_the_questions_have_what_to_do_and_the_answers_what_to_see(questions):
    answers = worksheet.answers()
    for name in LESSONS:
        lesson = TEXT["lessons"][name]
        for page in (questions, answers):
            assert lesson["title"] in said(page)
            assert lesson["ask"] in said(page)
        for part, there, elsewhere in (("do", questions, answers), ("see", answers, questions)):
            for sentence in sentences(name, part):
                assert plain(sentence) in said(there)
                assert plain(sentence) not in said(elsewhere)


def test_addresses_are_whole_and_pictures_are_in_the_file(questions):
    page = questions.decode()
    found = [html.unescape(each) for each in re.findall(r'href="([^"]+)"', page)]
    assert found == [urljoin(HERE, opens.link) for opens in LESSONS.values()]
    assert all(each.startswith("https://class.example/gsa/") for each in found)
    assert page.count('src="data:image/jpeg;base64,') == page.count("<img ")
    assert page.count("<img ") == sum(isinstance(opens, OnLook) for opens in LESSONS.values())


def test_there_is_room_to_write_for_each_question(questions):
    rooms = TEXT["paper"]["rooms"].values()
    for room in rooms:
        assert said(questions).count(room["label"]) == len(LESSONS)
    lines = sum(room["lines"] for room in rooms)
    assert questions.decode().count("<div></div>") == lines * len(LESSONS)
    for room in rooms:
        assert room["label"] not in said(worksheet.answers())


def test_markup_in_a_sentence_stays_text():
    assert worksheet._inline("a < b & **c**") == "a &lt; b &amp; <strong>c</strong>"
