"""The maps that are shown before the networks are loaded."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from app import make_preview, preview
from gsa.checkpoints import ENVIRONMENT

ROOT = Path(__file__).parents[2]


def pixels(url):
    data = base64.b64decode(url.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def test_they_are_those_of_the_shipped_weights():
    """If this fails, the networks have changed: run `python -m app.make_preview`."""
    kept, fresh = json.loads(preview.FILE.read_text(encoding="utf-8")), make_preview.computed()
    assert kept["weights"] == fresh["weights"]
    for old, new in zip(kept["rows"], fresh["rows"], strict=True):
        for before, now in zip(old["panels"], new["panels"], strict=True):
            for each in ("title", "cell", "notes", "alt"):
                assert before[each] == now[each]
            # another processor rounds otherwise, by a shade at most
            assert np.abs(pixels(before["url"]) - pixels(now["url"])).max() <= 3


def test_they_are_not_shown_for_other_networks(monkeypatch):
    assert preview.CHECKPOINTS == ENVIRONMENT
    monkeypatch.delitem(sys.modules, "torch")
    assert preview.wanted({})
    assert not preview.wanted({"picture": "panda_0021.jpg"})
    monkeypatch.setenv(ENVIRONMENT, "elsewhere")
    assert not preview.wanted({})


def test_showing_them_does_not_load_torch():
    code = "import app.preview, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_a_link_is_not_kept_from_its_own_picture(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert preview.wanted({})
    assert not preview.wanted({"picture": "panda_0021.jpg"})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not preview.wanted({})
