"""The Compare page without a browser: what its tests have in common."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import compare_pictures, compare_results, state
from app.text import words
from app.widgets import Widget
from tests.app import test_pages
from tests.app.test_pages import MAIN
from tests.conftest import photo

TEXT = words("compare")
two_pairs = test_pages.two_pairs


def wait_for_buttons(monkeypatch):
    """No measurement starts by itself, as after it was cancelled."""
    monkeypatch.setattr(state, "is_first", lambda _: False)


@pytest.fixture
def page(tiny_checkpoints, monkeypatch):
    wait_for_buttons(monkeypatch)
    # the address of a test's visitor is none of this computer's
    monkeypatch.setattr(compare_pictures, "_from_elsewhere", lambda: False)
    results, _ = compare_results._store()
    results.clear()
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    app.switch_page("views/compare.py").run()
    assert not app.exception
    return app


def section(app, name):
    app.button_group(Widget.compare_section).set_value(name).run()
    assert not app.exception
    return app


def start(app):
    (button,) = [each for each in app.button if each.key.startswith(Widget.compare_start)]
    button.click().run()
    assert not app.exception
    return app


def texts(app):
    return " ".join(str(each.value) for each in [*app.caption, *app.markdown, *app.error])


def kept_fields():
    """The one result that is kept."""
    results, _ = compare_results._store()
    (found,) = results.values()
    return found


def labels(app):
    return [each.label for each in app.button]


def charts(app):
    return len(app.get("plotly_chart"))


def drawn(app):
    """The figures of the page as JSON says them."""
    return [json.loads(each.proto.spec) for each in app.get("plotly_chart")]


def lines(figure):
    """What a figure draws, by name."""
    return {trace["name"]: trace for trace in figure["data"] if "name" in trace}


@pytest.fixture
def data(tmp_path):
    for label in ("ant", "bee"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for seed in range(3):
            photo(seed=seed).save(tmp_path / "data" / label / f"{seed}.png")
    return tmp_path / "data"


def opened(name="fields"):
    results, _ = compare_results._store()
    results.clear()
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    app.switch_page("views/compare.py").run()
    return section(app, name)
