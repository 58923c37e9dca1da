"""The lessons in a real browser: links open what they name, and everybody can read the page."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.lessons import LESSONS, OnLook
from app.text import words
from tests.app import test_browser as inspector
from tests.app import test_phone_browser as small
from tests.app.test_browser import wait_for_maps

TEXT, COMPARE = words("lessons"), words("compare")
pytestmark = inspector.pytestmark
address, browser, phone = inspector.address, inspector.browser, small.phone


@pytest.fixture(params=["light", "dark"])
def lessons(browser, address, request):
    context = browser.new_context(
        viewport={"width": 1366, "height": 900}, color_scheme=request.param
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    shown(page, address)
    yield page
    context.close()


def shown(page, address):
    page.goto(f"{address}/lessons", wait_until="domcontentloaded")
    page.get_by_text(TEXT["see"], exact=True).nth(len(LESSONS) - 1).wait_for()


@pytest.mark.parametrize("lessons", ["light"], indirect=True)
@pytest.mark.parametrize("name", ["trust", "probes"])  # one of each page
def test_a_link_opens_what_it_names_beside_the_lessons(lessons, address, name):
    links = lessons.get_by_test_id("stLinkButton").get_by_role("link")
    expect(links).to_have_count(len(LESSONS))
    opens = LESSONS[name]
    with lessons.context.expect_page() as waiting:
        links.nth(list(LESSONS).index(name)).click()
    opened = waiting.value
    if isinstance(opens, OnLook):
        wait_for_maps(opened)
    else:
        title = COMPARE["sections"][opens.question]
        expect(opened.get_by_role("radio", name=title)).to_be_checked(timeout=60_000)
    assert opened.url == address + opens.link.removeprefix(".")
    expect(opened.get_by_text("The link cannot be followed")).to_be_hidden()


@pytest.mark.parametrize("lessons", ["light"], indirect=True)
@pytest.mark.parametrize("name", ["questions", "answers"])
def test_the_lessons_can_be_printed(lessons, address, name, tmp_path):
    with lessons.expect_download() as waiting:
        lessons.get_by_role("button", name=TEXT["paper"][name]).click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    printed = lessons.context.new_page()
    printed.goto(file.as_uri())
    expect(printed.get_by_role("heading", level=2)).to_have_count(len(LESSONS))
    expected = [address + opens.link.removeprefix(".") for opens in LESSONS.values()]
    assert file.name == f"gsa_{TEXT['paper'][name].lower()}.html"
    found = [each.get_attribute("href") for each in printed.get_by_role("link").all()]
    assert found == (expected if name == "questions" else [])


def test_what_there_is_to_see_is_hidden_until_it_is_unfolded(lessons):
    first = TEXT["lessons"]["map"]["see"][0]
    expect(lessons.get_by_text(first)).to_be_hidden()
    lessons.get_by_text(TEXT["see"], exact=True).first.click()
    expect(lessons.get_by_text(first)).to_be_visible()
    found = Axe().run(lessons).response["violations"]
    serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []


def test_nothing_is_cut_off_on_a_phone(phone, address):
    shown(phone, address)
    for each in phone.get_by_test_id("stLinkButton").get_by_role("link").all():
        box = each.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 400
