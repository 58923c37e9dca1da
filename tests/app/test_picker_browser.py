"""Pointing at a place in a real browser, where the photo or the keys make it hard."""

import pytest
from playwright.sync_api import expect

from tests.app import test_browser as inspector
from tests.app.test_browser import settled, spot, upload
from tests.conftest import photo

pytestmark = inspector.pytestmark
address, browser, page = inspector.address, inspector.browser, inspector.page


@pytest.mark.parametrize("size", [(4000, 20), (20, 4000)])
def test_a_very_long_photo_can_be_pointed_at(page, tmp_path, size):
    photo(*size).save(tmp_path / "long.png")
    upload(page, tmp_path / "long.png")
    expect(page.get_by_text(f"your photo, {size[0]} × {size[1]}")).to_be_visible()
    box = page.locator(".seen").bounding_box()
    assert min(box["width"], box["height"]) > 140
    before = settled(page)
    page.mouse.click(*spot(page, 0.22, 0.84))
    expect(page.get_by_text("Row 4, column 14 of 16 × 16 cells")).to_be_visible()
    assert settled(page) != before
