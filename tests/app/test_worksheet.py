"""The lessons on paper say what the page says, and nothing of the answers on the questions."""

import html
import re
from urllib.parse import urljoin

import numpy as np
import pytest
from PIL import ImageChops

from app import resources, worksheet
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
    assert found == [HERE, *(urljoin(HERE, opens.link) for opens in LESSONS.values())]
    assert HERE in said(questions)  # to be typed
    assert all(each.startswith("https://class.example/gsa/") for each in found)
    assert page.count('src="data:image/jpeg;base64,') == page.count("<img ")
    assert page.count("<img ") == sum(isinstance(opens, OnLook) for opens in LESSONS.values())


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:80"])
def test_an_address_of_use_to_the_server_alone_is_not_printed(host):
    page = worksheet.questions(f"http://{host}/lessons")
    assert host not in said(page)
    assert "http:// /lessons" in said(page)


def test_the_place_is_on_the_pictures_and_the_dot_where_the_question_names_it():
    for name, opens in LESSONS.items():
        if not isinstance(opens, OnLook):
            continue
        plain_, chosen = resources.gallery_square(opens.picture).resize((400, 400)), opens.chosen
        changed = np.asarray(ImageChops.difference(plain_, opens.seen()).convert("L")) > 60

        def near(row, column, changed=changed):
            top, left = int(row * 400), int(column * 400)
            return changed[max(0, top - 14) : top + 14, max(0, left - 14) : left + 14].any()

        assert near(chosen.row, chosen.column)
        assert near(chosen.source_row, chosen.source_column) == (name == "steps")


def test_there_is_room_to_write_for_each_question(questions):
    rooms = TEXT["paper"]["rooms"].values()
    for room in rooms:
        assert said(questions).count(room["label"]) == len(LESSONS)
    lines = sum(room["lines"] for room in rooms)
    assert questions.decode().count("<div></div>") == lines * len(LESSONS)
    for room in rooms:
        assert room["label"] not in said(worksheet.answers())


def test_there_are_axes_where_curves_are_asked_for(questions):
    asked = [name for name in LESSONS if "Draw both curves" in " ".join(sentences(name, "do"))]
    assert asked == [name for name in LESSONS if TEXT["lessons"][name].get("axes")] == ["probes"]
    for axis in TEXT["lessons"]["probes"]["axes"]:
        assert axis in said(questions)
    assert questions.decode().count('class="axes"') == 1
    assert b'class="axes"' not in worksheet.answers()


def test_there_is_a_table_where_things_are_to_be_sorted(questions):
    page = questions.decode()
    sorted_ = [name for name in LESSONS if TEXT["lessons"][name].get("across")]
    assert page.count("<table>") == len(sorted_) > 0
    assert sorted_[0] == "trust"
    table = page[page.index("<table>") : page.index("</table>")]
    assert page.index("<table>") > page.index(TEXT["lessons"]["trust"]["title"])
    companions = words("look")["companions"].values()
    assert [f"<th>{each}</th>" in table for each in companions] == [True] * 4
    assert table.count("<td></td>") == 4 * 4
    assert b"<table>" not in worksheet.answers()


def test_markup_in_a_sentence_stays_text():
    assert worksheet._inline("a < b & **c**") == "a &lt; b &amp; <strong>c</strong>"
