"""The pages on a phone: nothing lies over anything else, nothing is cut off."""

import pytest
from playwright.sync_api import expect

from app.text import words
from tests.app import test_browser as inspector
from tests.app.test_browser import settled, wait_for_maps

LOOK, COMPARE = words("look"), words("compare")
pytestmark = inspector.pytestmark
address, browser = inspector.address, inspector.browser


@pytest.fixture
def phone(browser):
    context = browser.new_context(
        viewport={"width": 400, "height": 850}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def boxes(locator):
    """All at one moment, since a page that still loads may move."""
    return locator.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")


# heads in content, positional and sum, and six key maps; two places and one laid over the other,
# twice; a map with four companions, twice
ROWS = {
    "heads": [[4], [4], [4], [3, 3]],
    "places": [[3], [3]],
    "stable": [[3, 2], [3, 2]],
}


@pytest.mark.parametrize(("section", "rows"), ROWS.items())
def test_maps_of_a_row_stand_side_by_side_and_none_is_alone(phone, address, section, rows):
    phone.goto(f"{address}/?section={section}", wait_until="domcontentloaded")
    wait_for_maps(phone)
    strip = phone.locator(".strip").nth(1)
    strip.locator(".picture").first.wait_for()
    settled(phone)
    edge = max(box["right"] for box in boxes(strip))
    for each, expected in zip(strip.locator(".maps").all(), rows, strict=True):
        pictures = boxes(each.locator(".picture"))
        tops = sorted({round(box["y"]) for box in pictures})
        assert [sum(round(box["y"]) == top for box in pictures) for top in tops] == expected
        assert max(box["right"] for box in pictures) <= edge


def test_the_legend_of_the_deletion_chart_lies_beside_its_axes(phone, address):
    phone.goto(f"{address}/?section=why", wait_until="domcontentloaded")
    wait_for_maps(phone)
    phone.get_by_role("button", name=LOOK["why_button"]).click()
    expect(phone.get_by_text(LOOK["deletion_words"])).to_be_visible(timeout=120_000)
    section = phone.get_by_test_id("stMainBlockContainer")
    stop = section.get_by_role("button", name=LOOK["stop"], exact=True)
    expect(stop).to_be_hidden(timeout=120_000)  # the chart is drawn anew with each method
    charts = phone.locator(".stPlotlyChart")
    expect(charts).to_have_count(2)
    tops = [box["top"] for box in boxes(charts)]
    assert tops[0] < tops[1] - 300  # one below the other
    for chart in charts.all():
        legend, axes = (chart.locator(each).bounding_box() for each in (".legend", ".xtitle"))
        (grid,) = boxes(chart.locator(".gridlayer .y"))
        assert legend["y"] + legend["height"] <= grid["top"] + 1
        assert axes["y"] >= grid["bottom"]
        expect(chart.locator(".modebar-container")).to_be_hidden()


def test_the_pages_have_links_in_words_side_by_side(phone, address):
    phone.goto(f"{address}/networks", wait_until="domcontentloaded")
    links = phone.locator(".st-key-widget_pages a")
    expect(links.locator("p")).to_have_text(["Look", "Lessons", "Compare", "Networks"])
    found = boxes(links)
    assert len({round(box["top"]) for box in found}) == 1
    assert 0 <= min(box["left"] for box in found) < max(box["right"] for box in found) <= 400
    links.nth(1).click()
    expect(phone.get_by_role("heading", name=words("lessons")["title"])).to_be_visible()
    phone.set_viewport_size({"width": 1000, "height": 850})
    expect(links.first).to_be_hidden()  # the bar of the window has them


def test_every_question_of_the_compare_page_can_be_seen(phone, address):
    phone.goto(f"{address}/compare", wait_until="domcontentloaded")
    for title in COMPARE["sections"].values():
        button = phone.get_by_role("radio", name=title, exact=True).or_(
            phone.get_by_text(title, exact=True)
        )
        button.first.wait_for()
        box = button.first.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 400


def test_examples_of_a_probe_stand_side_by_side(phone, address):
    phone.goto(f"{address}/compare?question=probes", wait_until="domcontentloaded")
    pictures = phone.locator(".st-key-widget_compare_probe_examples img")
    pictures.nth(3).wait_for()
    found = boxes(pictures)
    assert len({round(box["top"]) for box in found}) == 1
    assert len({round(box["width"]) for box in found}) == 1
    assert max(box["right"] for box in found) <= 400


def test_the_tools_of_a_table_do_not_lie_over_words(phone, address):
    phone.goto(f"{address}/networks", wait_until="domcontentloaded")
    tools = phone.locator("[data-testid=stElementToolbar]").first
    tools.wait_for()
    lead = phone.locator("p.look").bounding_box()
    assert tools.bounding_box()["y"] >= lead["y"] + lead["height"] - 1
