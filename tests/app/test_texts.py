"""What the sentences of the pages say is what the code holds."""

import tomllib
from pathlib import Path

import pytest
import streamlit as st

from app import panels
from app.text import words
from app.widgets import Widget
from gsa import erf, growth, perturbations, ranges, scaling
from gsa.pictures import FORMATS
from tests.app import compare_support, test_pages
from tests.app.compare_support import section, start
from tests.app.test_pages import opened

LOOK, COMPARE = words("look"), words("compare")
ROOT = Path(__file__).parents[2]
page = test_pages.page
compare = compare_support.page


def said(app):
    kinds = (app.caption, app.markdown, app.error, app.file_uploader)
    return " ".join(
        str(getattr(each, "value", "") or each.label) for kind in kinds for each in kind
    )


def test_sentences_of_the_inspector_name_the_numbers_of_the_code(tiny_checkpoints, monkeypatch):
    monkeypatch.setattr(perturbations, "DRAWS", 7)
    monkeypatch.setattr(panels, "PLACES", 3)
    assert "mean of 7 draws" in said(opened("matter"))
    app = opened("range")
    assert said(app).count("up to 9 places") == 2
    assert not any("all places" in title for title in app.dataframe[0].value.columns)


def test_formats_of_files_are_those_that_open(page):
    page.button_group(Widget.source).set_value("upload").run()
    assert ", ".join(FORMATS) in page.file_uploader[0].label


def test_sentences_of_the_comparison_name_the_numbers_of_the_code(compare, monkeypatch):
    monkeypatch.setattr(erf, "UNIT", "one channel")
    monkeypatch.setattr(erf, "GRADIENT", "squared")
    monkeypatch.setattr(ranges, "PLACES", 2)
    start(compare)
    assert "unit: one channel, at the place" in said(compare)
    assert "gradient: squared; colours in proportion to it" in said(compare)
    assert "up to 4 places, evenly spread, of the first" in said(compare)
    assert "“motorbikes”" in said(compare)
    monkeypatch.setattr(scaling, "SIZES", (32, 64))
    monkeypatch.setattr(growth, "FIT_FROM", 5)
    start(section(compare, "cost"))
    assert "inputs of 32 to 64 pixels" in said(compare)
    assert "the 5 largest sizes" in said(compare)


@pytest.mark.parametrize("name", list(COMPARE["sections"]))
def test_no_place_of_a_sentence_stays_empty(compare, name):
    assert "{" not in said(section(compare, name))


@pytest.mark.parametrize("name", list(LOOK["sections"]))
def test_no_place_of_a_sentence_of_the_inspector_stays_empty(tiny_checkpoints, name):
    formulas = [LOOK["content_formula"], LOOK["positional_formula"]]
    whole = said(opened(name))
    for formula in formulas:
        whole = whole.replace(formula, "")
    assert "{" not in whole


def test_the_recipe_that_is_advised_needs_no_other_pair():
    advised = LOOK["no_checkpoints"].split("python -m gsa train ")[1].split("`")[0].split()
    recipe = tomllib.loads((ROOT / advised[0]).read_text(encoding="utf-8"))
    assert "init_from" not in recipe
    assert advised[1] == "--data"


def test_while_a_picture_is_looked_at_the_page_does_not_speak_of_the_start(
    tiny_checkpoints, monkeypatch
):
    waiting = []
    spinner = st.spinner
    monkeypatch.setattr(
        st, "spinner", lambda text, **rest: waiting.append(text) or spinner(text, **rest)
    )
    opened("take")
    assert waiting == [LOOK["seeing"]]
