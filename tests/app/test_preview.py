"""The maps that are shown before the networks are loaded."""

import base64
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import gallery, make_preview, preview
from app.resources import twins
from gsa import checkpoints
from gsa.checkpoints import ENVIRONMENT

ROOT = Path(__file__).parents[2]


def pixels(url):
    data = base64.b64decode(url.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def read(name):
    return json.loads(preview.file(name).read_text(encoding="utf-8"))


def test_they_are_those_of_the_shipped_weights():
    """If this fails, the networks have changed: run `python -m app.make_preview`."""
    weights = {name: read(name)["weights"] for name in gallery.titles()}
    assert set(weights.values()) == {checkpoints.read_card(twins()["gsa"]).sha256}
    assert {preview.file(name) for name in weights} == set(gallery.FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", [gallery.FIRST, list(gallery.titles())[-1]])
def test_they_are_what_the_page_draws(name):
    """If this fails, the pictures of maps have changed: run `python -m app.make_preview`."""
    kept, fresh = read(name), make_preview.computed(name)
    for old, new in zip(kept["rows"], fresh["rows"], strict=True):
        for before, now in zip(old["panels"], new["panels"], strict=True):
            for each in ("title", "cell", "notes", "alt"):
                assert before[each] == now[each]
            # another processor rounds otherwise, by a shade at most
            assert np.abs(pixels(before["url"]) - pixels(now["url"])).max() <= 3


def test_they_are_not_shown_for_other_networks(monkeypatch, tmp_path):
    assert preview.CHECKPOINTS == ENVIRONMENT
    assert checkpoints.folder() == preview.SHIPPED
    card = checkpoints.read_card(read(gallery.FIRST)["checkpoint"])
    checkpoints.write_card(card, tmp_path)  # while torch is there to count
    monkeypatch.delitem(sys.modules, "torch")
    assert preview.wanted({})
    monkeypatch.setenv(ENVIRONMENT, "elsewhere")
    assert not preview.wanted({})
    monkeypatch.delenv(ENVIRONMENT)
    checkpoints.write_card(replace(card, sha256="0" * 64), tmp_path)
    monkeypatch.setattr(preview, "SHIPPED", tmp_path)
    assert not preview.wanted({})
    checkpoints.write_card(card, tmp_path)
    assert preview.wanted({})


def test_showing_them_does_not_load_torch():
    code = "import app.preview, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_the_first_picture_does_not_wait_for_what_it_does_not_need():
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        "import sys\n"
        "app = AppTest.from_file('app/main.py', default_timeout=120).run()\n"
        "assert any('Proved for this place' in each.value for each in app.caption)\n"
        "print({'torchvision', 'torch._dynamo', 'captum'} & {*sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"


def test_a_link_shows_its_own_picture_or_none(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert preview.wanted({}) == gallery.FIRST
    assert preview.wanted({"picture": "panda_0021.jpg"}) == "panda_0021.jpg"
    assert not preview.wanted({"picture": "panda_0021.jpg", "row": "0.2"})
    assert not preview.wanted({"row": "0.2"})
    assert not preview.wanted({"picture": "../gallery/panda_0021.jpg"})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not preview.wanted({})
