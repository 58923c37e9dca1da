"""Links in a real browser: the address bar says what is shown."""

from functools import partial

import pytest
from playwright.sync_api import expect

from tests.app import test_browser as inspector
from tests.app.test_browser import LOOK, wait_for_maps

pytestmark = inspector.pytestmark
address, browser, page = inspector.address, inspector.browser, inspector.page


def test_a_link_that_names_what_there_is_not_is_answered_and_cleaned(page, address):
    page.goto(f"{address}/?picture=panda_0021.jpg&layer=9.9&x=foo&heads=1")
    wait_for_maps(page)
    warning = page.get_by_text("The link cannot be followed in all")
    expect(warning).to_be_visible()
    clean = "?picture=panda_0021.jpg&row=0.5000&column=0.5000&heads=1"
    page.wait_for_url(lambda url: url.endswith(clean))
    page.locator(".panel[data-id='2.1 content']").click()
    expect(warning).to_be_hidden()
    page.wait_for_url(lambda url: "layer=2.1" in url)


@pytest.mark.parametrize("end", ["#section", ""])
def test_a_link_to_a_section_comes_out_there_and_lets_go(page, address, end):
    """Also one that was copied from the address bar, which has no name of a part."""
    # a section without charts: where they grow late, the browser holds what stands below them
    page.goto(f"{address}/?picture=panda_0021.jpg&section=take{end}")
    top = "document.querySelector('.st-key-widget_section').getBoundingClientRect().top"
    page.get_by_role("heading", name=LOOK["take_title"]).wait_for()
    page.wait_for_function(f"window.hasArrived && 0 <= {top} && {top} < 100")
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"{top} > 300")
    page.wait_for_timeout(500)
    assert page.evaluate(top) > 300


def test_the_sections_are_in_sight_and_come_to_the_top_when_they_are_pressed(page):
    bar = page.locator(".st-key-widget_section")
    screen = page.viewport_size["height"]
    box = bar.bounding_box()
    assert box["y"] + box["height"] <= screen  # though its place is further down
    assert page.locator(".st-key-section").bounding_box()["y"] > screen
    button = page.get_by_role("radio", name=LOOK["sections"]["range"])
    title = page.get_by_role("heading", name=LOOK["range_title"])
    for press in (button.click, button.click, partial(button.press, "Enter")):
        press()  # also when it is pressed already
        expect(title).to_be_in_viewport()
        box = bar.bounding_box()
        start = title.bounding_box()["y"]
        assert box["y"] + box["height"] < start < 250
        page.mouse.move(600, 500)
        page.mouse.wheel(0, 150)
        top = "document.querySelector('#section').getBoundingClientRect().top"
        page.wait_for_function(f"{top} < {start - 10}")
        assert abs(bar.bounding_box()["y"] - box["y"]) < 20  # it stays
        page.mouse.wheel(0, -2000)
        page.wait_for_function("document.querySelector('h1').getBoundingClientRect().top > 0")


def test_a_slow_press_opens_a_section_wherever_the_focus_was(page):
    """The bar takes the focus when it is pressed, and must not move away below the pointer."""
    bar = page.locator(".st-key-widget_section")
    page.get_by_role("radio", name=LOOK["sections"]["matter"]).click()
    page.get_by_role("heading", name=LOOK["matter_title"]).wait_for()
    for name, title in (("why", "why_title"), ("take", "take_title")):
        page.mouse.move(600, 500)
        page.mouse.wheel(0, -4000)
        page.wait_for_function("document.querySelector('h1').getBoundingClientRect().top > 0")
        page.locator(".seen").first.click()  # which has the focus now
        before = bar.bounding_box()
        button = page.get_by_role("radio", name=LOOK["sections"][name]).bounding_box()
        page.mouse.move(button["x"] + button["width"] / 2, button["y"] + button["height"] / 2)
        page.mouse.down()
        page.wait_for_timeout(90)
        assert bar.bounding_box() == before
        page.mouse.up()
        expect(page.get_by_role("heading", name=LOOK[title])).to_be_in_viewport()


def test_a_page_that_is_loaded_anew_stays_where_it_was(page, address):
    page.goto(f"{address}/?picture=panda_0021.jpg&section=take")
    title = page.get_by_role("heading", name=LOOK["take_title"])
    title.wait_for()
    page.get_by_role("radio", name=LOOK["sections"]["take"]).click()
    top = "document.querySelector('.st-key-widget_section').getBoundingClientRect().top"
    page.wait_for_function(f"{top} < 100")
    page.reload()
    title.wait_for()
    page.wait_for_function(f"0 <= {top} && {top} < 100")
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -4000)
    page.wait_for_function("document.querySelector('h1').getBoundingClientRect().top > 0")
    page.reload()
    title.wait_for()
    page.wait_for_timeout(1000)
    assert page.get_by_role("heading", level=1).bounding_box()["y"] > 0


def test_where_a_link_names_no_section_the_page_stays_at_its_top(page, address):
    page.goto(f"{address}/?picture=panda_0021.jpg&layer=2.1")
    wait_for_maps(page)
    page.wait_for_timeout(1000)
    assert page.get_by_role("heading", level=1).bounding_box()["y"] > 0


def test_back_to_a_wrong_link_does_not_trap(page, address):
    page.goto(f"{address}/networks")
    page.get_by_text("tiny_gsa").first.wait_for()
    page.goto(f"{address}/?picture=panda_0021.jpg&layer=9.9")
    wait_for_maps(page)
    page.wait_for_url(lambda url: "layer" not in url)
    page.wait_for_timeout(2000)  # for a moment after a change the address is not followed
    for _ in range(2):
        page.go_back()
        page.wait_for_timeout(2000)
    assert page.url.endswith("/networks")
