"""Pointing at a place in a real browser, where the photo or the keys make it hard."""

import pytest
from playwright.sync_api import Page, expect

from app.components import asset
from tests.app import test_browser as inspector
from tests.app.test_browser import maps, settled, spot, upload, wait_for_maps
from tests.conftest import photo

pytestmark = inspector.pytestmark
address, browser, page = inspector.address, inspector.browser, inspector.page


def test_the_arrow_keys_move_the_place(page):
    before = maps(page)
    page.mouse.click(*spot(page, 0.52, 0.52))
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("Row 10, column 10 of 16 × 16")).to_be_visible()
    assert settled(page) != before


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*spot(page, *start))
    page.mouse.down()
    page.mouse.move(*spot(page, *end), steps=4)
    page.mouse.up()


def test_a_drag_chooses_a_rectangle_and_a_link_keeps_it(page, browser):
    before = settled(page)
    drag(page, (0.1, 0.2), (0.3, 0.55))
    expect(page.get_by_text("Row 2 to 5, column 4 to 9 of 16 × 16")).to_be_visible()
    after = settled(page)
    assert after != before
    other = browser.new_context().new_page()
    other.goto(page.url, wait_until="domcontentloaded")
    wait_for_maps(other)
    expect(other.get_by_text("Row 2 to 5, column 4 to 9 of 16 × 16")).to_be_visible()
    assert settled(other) == after
    other.context.close()


def test_shift_and_arrows_stretch_the_place(page):
    page.mouse.click(*spot(page, 0.52, 0.52))
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("Row 9 to 10, column 9 to 11 of 16 × 16")).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_text("Row 8 to 9, column 9 to 11 of 16 × 16")).to_be_visible()


def test_a_tap_picks_the_place_that_was_touched(page):
    for down, across, row, column in ((0.1, 0.1, 2, 2), (0.9, 0.3, 15, 5), (0.4, 0.97, 7, 16)):
        page.touchscreen.tap(*spot(page, down, across))
        expect(page.get_by_text(f"Row {row}, column {column} of 16 × 16")).to_be_visible()


@pytest.mark.parametrize("size", [(4000, 20), (20, 4000)])
def test_a_very_long_photo_can_be_pointed_at(page, tmp_path, size):
    photo(*size).save(tmp_path / "long.png")
    upload(page, tmp_path / "long.png")
    expect(
        page.get_by_text(f"your photo, which is {size[0]} wide and {size[1]} high")
    ).to_be_visible()
    box = page.locator(".seen").bounding_box()
    assert min(box["width"], box["height"]) > 140
    before = settled(page)
    page.mouse.click(*spot(page, 0.22, 0.84))
    expect(page.get_by_text("Row 4, column 14 of 16 × 16 cells")).to_be_visible()
    assert settled(page) != before


def length(page):
    return page.evaluate("() => window.history.length")


def test_a_run_of_key_presses_is_one_step_back(page):
    page.mouse.click(*spot(page, 0.52, 0.52))
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.wait_for_url(lambda url: "row=0.5312" in url)
    before = length(page)
    for _ in range(4):  # so slowly that most are shown before the next
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(300)
    page.wait_for_url(lambda url: "row=0.7812" in url)
    assert length(page) == before + 1
    page.keyboard.press("ArrowRight")  # after a rest: another run
    page.wait_for_url(lambda url: "column=0.5938" in url)
    assert length(page) == before + 2
    page.wait_for_timeout(2000)  # for a moment after a change the address is not followed
    for row, column in ((13, 9), (9, 9)):
        page.go_back()
        expect(page.get_by_text(f"Row {row}, column {column} of 16 × 16")).to_be_visible()
        page.wait_for_timeout(2000)


def test_what_is_chosen_while_keys_still_move_is_in_the_address(page):
    page.mouse.click(*spot(page, 0.52, 0.52))
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.locator(".panel[data-id='2.1 content']").click()
    page.wait_for_url(lambda url: "layer=2.1" in url and "row=0.5938" in url)


def test_keys_that_move_the_changed_part_are_one_step_back_too(page):
    page.get_by_text("Does it matter?", exact=True).click()
    part = page.locator(".seen").nth(1)
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.wait_for_url(lambda url: "part_top=0.0625" in url)
    before = length(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_url(lambda url: "part_top=0.1875" in url)
    assert length(page) == before + 1


def test_a_late_answer_does_not_take_the_place_back(browser):
    """The script alone, with a server that answers after a second, the first key first."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(asset("picker.html"))
    places = page.evaluate(
        """async (source) => {
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const picker = (await import(url)).default;
          const said = [];
          const answer = (cells) => picker({
            data: {
              photo: "", crop: "", label: "", region: "", photo_size: [16, 16],
              crop_box: [0, 0, 16, 16], rows: 16, columns: 16, cells,
            },
            parentElement: document.body,
            setTriggerValue: (_, place) => said.push(place),
          });
          const press = (key) =>
            document.querySelector(".seen").dispatchEvent(new KeyboardEvent("keydown", { key }));
          answer([8, 8, 9, 9]);
          press("ArrowRight");
          press("ArrowRight");
          await new Promise((done) => setTimeout(done, 1000));
          answer([8, 9, 9, 10]);
          press("ArrowDown");
          answer([9, 10, 10, 11]);  // the server has caught up: from now on it is right
          answer([0, 0, 1, 1]);
          press("ArrowDown");
          return said.filter((place) => place.moving).map((place) => [place.row, place.column]);
        }""",
        asset("picker.js"),
    )
    cells = [(row * 16 - 0.5, column * 16 - 0.5) for row, column in places]
    assert cells == [(8, 9), (8, 10), (9, 10), (1, 0)]
    context.close()


def test_an_answer_during_a_drag_does_not_end_it(browser):
    """The script alone: the data of an earlier choice arrive while the pointer is down."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(asset("picker.html"))
    said, drawn = page.evaluate(
        """async (source) => {
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const picker = (await import(url)).default;
          const said = [];
          const answer = (cells) => picker({
            data: {
              photo: "", crop: "", label: "", region: "", photo_size: [16, 16],
              crop_box: [0, 0, 16, 16], rows: 16, columns: 16, cells,
            },
            parentElement: document.body,
            setTriggerValue: (_, place) => said.push(place),
          });
          const seen = document.querySelector(".seen");
          seen.setPointerCapture = () => {};  // of a pointer that there is not
          seen.getBoundingClientRect = () => new DOMRect(0, 0, 160, 160);
          const point = (kind, clientX, clientY) =>
            seen.dispatchEvent(new PointerEvent(kind, { clientX, clientY, button: 0, buttons: 1 }));
          answer([8, 8, 9, 9]);
          point("pointerdown", 25, 15);
          point("pointermove", 55, 45);
          answer([3, 3, 4, 4]);
          const cell = document.querySelector(".cell");
          const drawn = ["x", "y", "width", "height"].map((name) => cell.getAttribute(name));
          point("pointerup", 65, 45);
          return [said, drawn];
        }""",
        asset("picker.js"),
    )
    assert drawn == ["2", "1", "4", "4"]  # as it was dragged so far
    (place,) = said
    edges = [place[edge] * 16 for edge in ("row", "column", "bottom", "right")]
    assert edges == [1, 2, 5, 7]
    context.close()
