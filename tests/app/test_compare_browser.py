"""The Compare page in a real browser: what only a browser can show."""

import pytest
from playwright.sync_api import expect

from app.text import words
from tests.app import test_browser as inspector

TEXT = words("compare")
pytestmark = inspector.pytestmark
address, browser = inspector.address, inspector.browser  # their server and browser


@pytest.fixture
def compare(browser, address):
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/compare", wait_until="domcontentloaded")
    page.get_by_role("button", name=TEXT["again"]).wait_for()  # fields are measured at once
    yield page
    context.close()


def test_a_run_is_cancelled_at_once_and_can_be_started_again(compare):
    compare.get_by_text(TEXT["sections"]["probes"], exact=True).click()
    start = compare.get_by_role("button", name=TEXT["probes"]["start"])
    start.click()
    cancel = compare.get_by_role("button", name=TEXT["cancel"])
    expect(compare.get_by_text("of 300, loss").first).to_be_visible()
    expect(start).to_be_hidden()
    cancel.click()
    expect(cancel).to_be_hidden(timeout=5_000)
    expect(start).to_be_enabled()
    expect(compare.get_by_text("of 300, loss")).to_be_hidden()


def test_leaving_a_run_breaks_it_off_and_the_page_says_so(compare):
    compare.get_by_text(TEXT["sections"]["probes"], exact=True).click()
    compare.get_by_role("button", name=TEXT["probes"]["start"]).click()
    expect(compare.get_by_text("of 300, loss").first).to_be_visible()
    compare.get_by_text(TEXT["sections"]["cost"], exact=True).click()
    expect(compare.get_by_role("button", name=TEXT["cost"]["start"])).to_be_visible()
    expect(compare.get_by_text(TEXT["broken_off"])).to_be_hidden()
    compare.get_by_text(TEXT["sections"]["probes"], exact=True).click()
    expect(compare.get_by_text(TEXT["broken_off"])).to_be_visible()
    compare.get_by_role("button", name=TEXT["probes"]["start"]).click()
    expect(compare.get_by_text(TEXT["broken_off"])).to_be_hidden()
    compare.get_by_role("button", name=TEXT["cancel"]).click()
    expect(compare.get_by_role("button", name=TEXT["probes"]["start"])).to_be_enabled()
    expect(compare.get_by_text(TEXT["broken_off"])).to_be_hidden()


def test_fields_are_drawn_with_their_words(compare):
    for twin in TEXT["twins"].values():
        field = compare.get_by_role("img", name=f"{twin}, layer")
        expect(field).to_be_visible()
        # the browser decoded it: the page's cleaning has not emptied it
        assert field.evaluate("image => image.complete && image.naturalWidth > 0")
        box = field.bounding_box()
        assert box["width"] == pytest.approx(box["height"], abs=2)
        assert box["width"] > 150
