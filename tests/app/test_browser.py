"""The app as a person uses it: a real server, a real browser."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, expect, sync_playwright

from app.selection import OWN, Section
from app.text import words
from tests.conftest import photo

LOOK = words("look")
ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# In continuous integration a missing browser is a failure, so there the test is never skipped.
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"),
    reason="needs Chromium on the PATH (Debian: apt-get install chromium)",
)


@pytest.fixture(scope="module")
def address(checkpoint_folder):
    """Where the app is served, with the tiny untrained pair."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.headless=true",
            f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none",
        ],
        cwd=ROOT,
        env={**os.environ, "GSA_CHECKPOINTS": str(checkpoint_folder)},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=5)
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "Chromium is not on the PATH"
    with sync_playwright() as playwright:
        camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *camera]
        )
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1366, "height": 900}, has_touch=True)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.goto(address, wait_until="domcontentloaded")
    wait_for_maps(opened)
    yield opened
    context.close()


def wait_for_maps(page: Page) -> None:
    page.locator(".map").nth(7).wait_for()
    expect(page.get_by_text("Proved for this place")).to_be_visible(timeout=30_000)


def maps(page: Page) -> list[str]:
    return (
        page.locator(".strip")
        .first.locator(".map")
        .evaluate_all("images => images.map(image => image.src)")
    )


def changed(page: Page, before: list[str]) -> float:
    """Seconds until the maps differ."""
    start = time.monotonic()
    while maps(page) == before:
        assert time.monotonic() - start < 15, "the maps do not change"
        time.sleep(0.01)
    return time.monotonic() - start


def settled(page: Page) -> list[str]:
    """The maps, once they have stayed the same for a while: a text may be new before they are."""
    last, since = maps(page), time.monotonic()
    while time.monotonic() - since < 0.6:
        time.sleep(0.05)
        if maps(page) != last:
            last, since = maps(page), time.monotonic()
    return last


def resting(picture: Locator) -> FloatRect:
    """Where a picture lies, once the page has stopped scrolling to it."""
    last, since = picture.bounding_box(), time.monotonic()
    while last is None or time.monotonic() - since < 0.6:
        time.sleep(0.05)
        if picture.bounding_box() != last:
            last, since = picture.bounding_box(), time.monotonic()
    return last


def spot(page: Page, down: float, across: float) -> tuple[float, float]:
    box = page.locator(".seen").bounding_box()
    assert box
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def upload(page: Page, path: Path) -> None:
    page.get_by_role("radio", name="Upload").or_(
        page.get_by_text("Upload", exact=True)
    ).first.click()
    page.locator("input[type=file]").set_input_files(str(path))


def test_a_photograph_is_classified_and_a_click_changes_the_maps(page, tmp_path):
    photo(640, 420).save(tmp_path / "holiday.jpg")
    before = maps(page)
    upload(page, tmp_path / "holiday.jpg")
    expect(page.get_by_text("your photo, which is 640 wide and 420 high")).to_be_visible()
    changed(page, before)
    for twin in ("gsa", "conv"):
        rows = page.locator(f".predictions .{twin} li")
        expect(rows).to_have_count(5)
        shares = [int(text.rstrip("%")) for text in rows.locator(".value").all_inner_texts()]
        assert shares == sorted(shares, reverse=True)
        assert 95 <= sum(shares) <= 105

    before = settled(page)
    page.mouse.click(*spot(page, 0.2, 0.8))
    changed(page, before)
    expect(page.get_by_text("Row 4, column 13 of 16 × 16 cells")).to_be_visible()


def test_the_camera_takes_a_picture(page):
    before = settled(page)
    page.get_by_text("Camera", exact=True).click()
    page.locator("video").wait_for()
    page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    page.get_by_role("button", name="Take Photo").click()
    changed(page, before)
    page.wait_for_url(lambda url: f"picture={OWN}" in url)


def test_back_returns_to_the_place_before(page):
    page.mouse.click(*spot(page, 0.52, 0.52))
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.mouse.click(*spot(page, 0.02, 0.02))
    expect(page.get_by_text("Row 1, column 1 of 16 × 16")).to_be_visible()
    page.wait_for_timeout(2000)  # for a moment after a change the address is not followed
    page.go_back()
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    page.get_by_text("Picture beneath", exact=True).click()  # does not bring the old click along
    page.wait_for_url(lambda url: "beneath=1" in url)
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    assert "row=0.5" in page.url


def test_back_returns_to_the_picture_before(page):
    for title in ("panda", "kangaroo"):
        before = maps(page)
        page.get_by_title(title, exact=True).click()
        changed(page, before)
        page.wait_for_url(lambda url, title=title: f"picture={title}" in url)
    page.wait_for_timeout(2000)  # for a moment after a change the address is not followed
    page.go_back()
    page.wait_for_url(lambda url: "picture=panda" in url)
    page.get_by_text("Picture beneath", exact=True).click()  # does not bring the old click along
    page.wait_for_url(lambda url: "beneath=1" in url)
    assert "picture=panda" in page.url
    page.get_by_title("kangaroo", exact=True).click()  # what was clicked before can be again
    page.wait_for_url(lambda url: "picture=kangaroo" in url)


def test_back_from_an_upload_returns_to_the_gallery(page, tmp_path):
    page.mouse.click(*spot(page, 0.52, 0.52))
    page.wait_for_url(lambda url: "row=0.5" in url)
    path = tmp_path / "mine.png"
    photo(300, 200).save(path)
    upload(page, path)
    own = page.get_by_text("your photo, which is 300 wide and 200 high")
    expect(own).to_be_visible()
    page.wait_for_url(lambda url: f"picture={OWN}" in url)
    page.mouse.click(*spot(page, 0.2, 0.2))
    page.wait_for_url(lambda url: "row=0.5" not in url)
    pressed = page.locator(".st-key-widget_source").get_by_role("radio", checked=True)
    settled = 2000  # for a moment after a change the address is not followed
    page.wait_for_timeout(settled)
    page.go_back()  # to the place before, in the same picture
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    expect(own).to_be_visible()
    expect(pressed).to_have_text(LOOK["sources"]["upload"])
    page.wait_for_timeout(settled)
    page.go_back()  # to the picture before
    expect(page.get_by_text("of the photo,")).to_be_visible()
    expect(page.get_by_text("Row 9, column 9 of 16 × 16")).to_be_visible()
    expect(pressed).to_have_text(LOOK["sources"]["gallery"])
    page.wait_for_timeout(settled)
    page.go_forward()
    expect(own).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("link", name="Look").click()
    expect(own).to_be_visible()  # and the switch and the name are of it
    expect(pressed).to_have_text(LOOK["sources"]["upload"])
    expect(page.get_by_text(LOOK["kept_file"].format(name="mine.png"))).to_be_visible()


# Presses Stop when it appears: the tiny network may be done before a test could find the button.
PRESS_AT_ONCE = """(name) => {
  const buttons = () => document.querySelectorAll("[data-testid=stMainBlockContainer] button");
  const timer = setInterval(() => {
    const found = [...buttons()].find((button) => button.innerText.trim() === name);
    if (found) {
      clearInterval(timer);
      document.body.dataset.pressed = "yes";
      found.click();
    }
  }, 5);
}"""


def test_stop_ends_the_attributions(page):
    page.get_by_text(LOOK["sections"]["why"], exact=True).click()
    start = page.get_by_role("button", name=LOOK["why_button"])
    expect(start).to_be_visible()
    page.evaluate(PRESS_AT_ONCE, LOOK["stop"])
    start.click()
    expect(page.locator("body[data-pressed=yes]")).to_be_attached()
    section = page.get_by_test_id("stMainBlockContainer")  # Streamlit has a Stop of its own
    expect(section.get_by_role("button", name=LOOK["stop"], exact=True)).to_be_hidden()
    page.wait_for_timeout(1500)  # nothing goes on behind it
    expect(page.get_by_text(LOOK["methods"]["edges"], exact=True)).to_have_count(0)


def test_a_cell_of_a_heads_map_is_taken_apart(page):
    picture = page.locator(".panel[data-id='2 positional'] .picture")
    picture.scroll_into_view_if_needed()
    box = resting(picture)
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    expect(page.get_by_text("Head 3: how much the cell in row", exact=False)).to_be_visible()
    cells = 16  # along each side of layer 2.1, which is chosen at first
    row, column = int(0.8 * cells) + 1, int(0.3 * cells) + 1
    expect(
        page.get_by_text(f"takes from the one in row {row}, column {column}", exact=False)
    ).to_be_visible()
    assert "heads=2" in page.url


def test_a_part_is_changed_and_far_features_answer(page):
    page.get_by_text("Does it matter?", exact=True).click()
    part = page.locator(".seen").nth(1)
    part.scroll_into_view_if_needed()
    before = page.locator(".crop").nth(1).get_attribute("src")
    box = resting(part)
    assert box
    page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.9 * box["height"])
    page.wait_for_url(lambda url: "part_top=0.8750" in url)
    page.wait_for_function(
        "old => [...document.querySelectorAll('.crop')].every(image => image.src !== old)",
        arg=before,
    )


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_an_export_opens_again(page, kind, tmp_path):
    page.get_by_text("Take it along", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=kind.upper(), exact=True).first.click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    if kind == "png":
        with Image.open(path) as picture:
            provenance = json.loads(picture.text["Description"])
            assert min(picture.size) > 300
    else:
        archive = np.load(path)
        provenance = json.loads(str(archive["provenance"]))
        assert archive["content_2.1"].shape == (4, 16, 16)
    assert provenance["checkpoint"] == "tiny_gsa"
    assert provenance["picture"] in page.url


def test_the_companions_leave_as_a_picture(page, tmp_path):
    page.get_by_text("Is it stable?", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PNG", exact=True).click()
    assert waiting.value.suggested_filename.endswith("-companions.png")
    waiting.value.save_as(tmp_path / "companions.png")
    with Image.open(tmp_path / "companions.png") as picture:
        assert json.loads(picture.text["Description"])["scale"] == "shared"


def test_another_place_is_pointed_at_and_exchanged_with_the_first(page):
    page.get_by_text("Two places", exact=True).click()
    picker = page.locator(".seen").nth(1)
    picker.wait_for()
    before = settled(page)
    box = resting(picker)
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.7 * box["height"])
    page.wait_for_url("**other_row=0.7188&other_column=0.7812**")
    assert settled(page) == before  # the first place stays where it is
    page.get_by_role("button", name="Exchange both places").click()
    page.wait_for_url("**row=0.7188&column=0.7812**other_row=0.5000**")
    assert settled(page) != before
    expect(page.get_by_text("Row 12, column 13 of 16 × 16")).to_be_visible()


def test_a_gallery_picture_and_a_link_to_it(page, browser):
    before = maps(page)
    page.get_by_title("panda", exact=True).click()
    changed(page, before)
    page.mouse.click(*spot(page, 0.7, 0.3))
    expect(page.get_by_text("Row 12, column 5 of 16 × 16")).to_be_visible()
    page.locator(".panel[data-id='2.1 content']").click()
    expect(page.get_by_role("heading", name="Layer 2.1, head by head")).to_be_visible()
    assert "picture=panda_0021.jpg" in page.url

    other = browser.new_context().new_page()
    other.goto(page.url, wait_until="domcontentloaded")
    wait_for_maps(other)
    expect(other.get_by_text("Row 12, column 5 of 16 × 16")).to_be_visible()
    expect(other.get_by_role("heading", name="Layer 2.1, head by head")).to_be_visible()
    assert settled(other) == settled(page)
    other.context.close()


def test_the_map_of_a_branch_lies_on_the_large_picture(page):
    over, crop = page.locator(".seen .over"), page.locator(".seen .crop")
    expect(over).to_be_hidden()
    page.get_by_role("radio", name=LOOK["overs"]["content"].format(layer="2.1")).click()
    expect(over).to_be_visible()
    expect(crop).to_have_class(re.compile("under"))
    page.locator(".panel[data-id='3.1 content']").click()
    page.get_by_role("radio", name=LOOK["overs"]["content"].format(layer="3.1")).wait_for()
    small = page.locator(".panel[data-id='3.1 content'] .map")
    page.get_by_text(LOOK["beneath"]).click()  # see-through as well, so one picture
    expect(small).to_have_attribute("src", over.get_attribute("src"))
    page.get_by_role("radio", name=LOOK["overs"]["photo"]).click()
    expect(over).to_be_hidden()


def test_the_gallery_is_one_stop_of_the_tab_key(page):
    chosen = page.locator(".row button[tabindex='0']")
    expect(chosen).to_have_count(1)
    first = chosen.get_attribute("data-name")
    chosen.focus()
    page.keyboard.press("ArrowRight")
    focused = page.locator(".row button:focus")
    assert focused.get_attribute("data-name") != first
    page.keyboard.press("Enter")
    wait_for_maps(page)
    expect(page.locator(".row button[aria-pressed='true']")).to_have_attribute(
        "data-name", focused.get_attribute("data-name")
    )


def test_a_bad_upload_keeps_the_picture(page, tmp_path):
    before = settled(page)
    (tmp_path / "notes.txt").write_text("no picture")
    upload(page, tmp_path / "notes.txt")
    expect(page.get_by_text("The file is not a picture in one of")).to_be_visible()
    assert settled(page) == before


def test_every_map_has_a_text_alternative(page):
    words = (
        page.locator(".strip")
        .first.locator(".map")
        .evaluate_all("images => images.map(image => image.alt)")
    )
    assert len(words) == 8
    assert all("mean distance" in each and "of the weight lies" in each for each in words)


def test_the_page_asks_nothing_of_other_hosts(browser, address):
    asked = []
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, wait_until="domcontentloaded")
    wait_for_maps(page)
    hosts = (address, address.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(hosts)] == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("section", get_args(Section))
def test_no_serious_fault_of_accessibility(browser, address, scheme, section):
    context = browser.new_context(viewport={"width": 1366, "height": 1600}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/?section={section}", wait_until="domcontentloaded")
    wait_for_maps(page)
    found = Axe().run(page).response["violations"]
    serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []
    context.close()
