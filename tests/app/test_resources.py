"""What of a photo is sent to the browser, and what networks see of it."""

import base64
import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import gsa
from app import resources
from gsa import checkpoints
from gsa.preprocess import Preprocess
from tests.conftest import photo


@pytest.mark.parametrize("size", [(400, 400), (400, 300), (640, 360), (200, 400), (1, 1), (3, 2)])
def test_an_ordinary_photo_is_shown_whole(size):
    assert resources.shown_part(*size) == (0, 0, *size)


@pytest.mark.parametrize("size", [(4000, 20), (20, 4000), (4001, 21), (2000, 1), (301, 120)])
@pytest.mark.parametrize("ratio", [1.0, 0.875])
def test_the_seen_square_fills_much_of_what_is_shown_of_a_long_photo(size, ratio):
    left, top, right, bottom = resources.shown_part(*size)
    box = Preprocess(64, crop_ratio=ratio).crop_box(*size)
    assert left <= box[0] < box[2] <= right
    assert top <= box[1] < box[3] <= bottom
    assert (box[2] - box[0]) * (box[3] - box[1]) >= 0.38 * (right - left) * (bottom - top)


def test_the_url_holds_that_part():
    stream = io.BytesIO()
    long = photo(1200, 100)
    long.save(stream, "PNG")
    url = resources.photo_url("a long photo", stream.getvalue())
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as sent:
        assert sent.size == (200, 100)
        middle = sent.convert("RGB").getpixel((100, 50))
    assert middle == pytest.approx(long.getpixel((600, 50)), abs=12)


def test_what_is_seen_of_a_large_photo_is_told_in_its_own_pixels(tiny_checkpoints):
    stream = io.BytesIO()
    photo(2400, 4000).save(stream, "JPEG")  # which is opened at half its size
    seen = resources.seen("tiny_gsa", "a large photo", stream.getvalue())
    assert seen.photo_size == (2400, 4000)
    assert seen.crop_box == (0, 800, 2400, 3200)


def test_other_weights_and_another_card_under_the_same_name_are_seen(
    checkpoint_folder, tmp_path, monkeypatch
):
    shutil.copytree(checkpoint_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    stream = io.BytesIO()
    photo().save(stream, "PNG")

    def seen():
        return resources.seen("tiny_gsa", "a photo", stream.getvalue())

    def wanted(temperature):
        found = checkpoints.load("tiny_gsa", tmp_path)
        x = found.preprocess.tensor(found.preprocess.crop(photo()))
        recording = gsa.record(found.model, x)
        return resources.best(found.card, recording.probabilities(temperature))

    before = seen()
    assert before.top == wanted(1)
    assert seen() is before
    other = gsa.untrained(before.card, seed=2)
    card = checkpoints.save(other.model, before.card, tmp_path)
    after = seen()
    assert not np.allclose(after.recording.logits, before.recording.logits)
    assert after.top == wanted(1)
    named = {"data": {"name": "nothing"}, "results": {"temperature": 2.5}}
    checkpoints.write_card(replace(card, **named), tmp_path)
    assert seen().top == wanted(2.5) != after.top
    np.testing.assert_array_equal(seen().recording.logits, after.recording.logits)
