"""The pages on a tablet held upright: what is wide on a laptop goes to rows of its own."""

import pytest

from app.text import words
from tests.app import test_browser as inspector
from tests.app.test_browser import settled, wait_for_maps
from tests.app.test_phone_browser import boxes

LOOK, COMPARE = words("look"), words("compare")
pytestmark = inspector.pytestmark
address, browser = inspector.address, inspector.browser


@pytest.fixture
def tablet(browser):
    context = browser.new_context(viewport={"width": 810, "height": 1080}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def rows(locator):
    """How many stand in each row, from top to bottom."""
    tops = [round(box["y"]) for box in boxes(locator)]
    return [tops.count(top) for top in sorted(set(tops))]


def test_maps_are_large_enough_to_be_read(tablet, address):
    tablet.goto(address, wait_until="domcontentloaded")
    wait_for_maps(tablet)
    settled(tablet)
    for row in tablet.locator(".strip").first.locator(".maps").all():
        pictures = row.locator(".picture")
        assert set(rows(pictures)) <= {3, 4}  # as many layers as the test's networks have
        assert min(box["width"] for box in boxes(pictures)) > 85
    assert tablet.locator(".st-key-widget_picker").bounding_box()["width"] > 270


@pytest.mark.parametrize("width", [660, 810, 1024, 1180])
def test_no_word_of_the_switches_is_cut_off(tablet, address, width):
    tablet.set_viewport_size({"width": width, "height": 1080})
    tablet.goto(address, wait_until="domcontentloaded")
    wait_for_maps(tablet)
    settled(tablet)
    cut = tablet.evaluate(
        """() => ['look', 'source']
            .flatMap((row) => [...document.querySelectorAll(`.st-key-widget_row_${row} *`)])
            .filter((each) => each.value || (!each.children.length && each.textContent.trim()))
            .filter((each) => getComputedStyle(each).overflowX !== 'visible')
            .filter((each) => each.scrollWidth > each.clientWidth + 1)
            .map((each) => each.value || each.textContent)"""
    )
    assert cut == []


def test_the_questions_stand_in_one_row_in_sight(tablet, address):
    tablet.goto(address, wait_until="domcontentloaded")
    wait_for_maps(tablet)
    settled(tablet)
    buttons = tablet.locator(".st-key-widget_section [role=radio]")
    assert rows(buttons) == [len(LOOK["sections"])]
    assert max(box["bottom"] for box in boxes(buttons)) <= 1080


@pytest.mark.parametrize("section", ["places", "why", "heads", "range"])
def test_what_stood_beside_stands_below(tablet, address, section):
    tablet.goto(f"{address}/?section={section}", wait_until="domcontentloaded")
    wait_for_maps(tablet)
    if section == "why":
        tablet.get_by_role("button", name=LOOK["why_button"]).click()
    last = tablet.locator(f".st-key-widget_row_{section} > * > * > :last-child")
    last.wait_for()
    settled(tablet)
    assert last.bounding_box()["width"] > 700


def test_figures_of_fields_stand_below_them(tablet, address):
    tablet.goto(f"{address}/compare", wait_until="domcontentloaded")
    columns = tablet.locator(".st-key-widget_row_fields > * > * > *")
    columns.nth(2).wait_for()
    settled(tablet)
    assert rows(columns) == [2, 1]
