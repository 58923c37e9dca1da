"""Measurements of the Compare page: on pictures of a folder, for several visitors at a time."""

import threading
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from app import compare_pictures, compare_resources, compare_results, gallery
from app.figures import compare as figures
from app.selection import ANCHOR, from_parameters
from app.views import compare_right
from app.widgets import Widget
from gsa.checkpoints import read_card
from tests.app import compare_support
from tests.app.compare_support import TEXT, charts, drawn, labels, section, start, texts

page, data = compare_support.page, compare_support.data


def test_a_sample_of_the_gallery_has_as_many_pictures_as_were_asked_for(checkpoint_folder):
    own = read_card("tiny_gsa", checkpoint_folder)
    known = replace(own, classes=tuple(gallery.titles().values())[: len(own.classes)])
    assert (
        compare_pictures.gallery_count(known) == len(compare_pictures.sample(known, "", 1000)) > 3
    )
    few = compare_pictures.sample(known, "", 3)
    assert len(few) == 3
    assert set(few.names) < set(gallery.titles())  # by which links to them are made


@pytest.mark.parametrize("name", ["right", "stress"])
def test_without_a_picture_that_the_networks_know_a_folder_is_asked_for(page, data, name):
    section(page, name)  # the tiny networks know nothing that is in the gallery
    assert [each.value for each in page.info] == [TEXT["right"]["unknown_gallery"]]
    assert not page.button
    widget = Widget.compare_right if name == "right" else Widget.compare_stress
    page.text_input(f"{widget}_folder").set_value(str(data)).run()
    assert not page.info
    assert page.button


def test_a_folder_is_compared_picture_by_picture(page, data):
    section(page, "right")
    page.text_input(f"{Widget.compare_right}_folder").set_value(str(data)).run()
    start(page)
    assert "on 6 pictures" in texts(page)
    (figure,) = drawn(page)
    assert {trace["mode"] for trace in figure["data"][1:]} == {"markers"}
    assert "With 6 pictures most dots stand for a few answers" in texts(page)
    assert "calibration error of the cards above" not in texts(page)  # these have none


@pytest.mark.parametrize("linked", [True, False])
def test_a_gallery_picture_that_one_alone_gets_right_leads_to_the_reasons(linked):
    def alone(linked):
        from types import SimpleNamespace

        from PIL import Image

        from app.views import compare_right

        between = SimpleNamespace(labels=("panda",), names=("panda_0021.jpg",))
        said = SimpleNamespace(guesses=("bee",))
        pictures = {0: Image.new("RGB", (8, 8))}
        compare_right._alone("only_gsa", between, [0], pictures, "conv", said, linked=linked)

    app = AppTest.from_function(alone, kwargs={"linked": linked}).run()
    assert not app.exception
    links = [each.proto.url for each in app.get("link_button")]
    if not linked:
        assert links == []
        return
    (link,) = links
    address, there = link.split("#")
    assert (address.split("?")[0], there) == ("./", ANCHOR)
    chosen = from_parameters(dict(parse_qsl(address.split("?")[1])))
    assert (chosen.section, chosen.target) == ("why", "panda")
    assert "picture=panda_0021.jpg" in address


def test_with_many_pictures_calibration_has_a_course(page, data, monkeypatch):
    monkeypatch.setattr(compare_right, "_ENOUGH", 6)
    section(page, "right")
    page.text_input(f"{Widget.compare_right}_folder").set_value(str(data)).run()
    start(page)
    (figure,) = drawn(page)
    assert {trace["mode"] for trace in figure["data"][1:]} == {"lines+markers"}
    assert "most dots stand for a few answers" not in texts(page)


def test_a_dot_of_calibration_is_as_large_as_its_number_and_has_an_interval():
    bins = [(0.2, 0.5, 0.1, 0.8, 4), (0.9, 1.0, 0.7, 1.0, 16)]
    drawn = figures.calibration({"a": ("gsa", bins)}, "x", "y", "ideal", joined=False).data[1]
    assert (list(drawn.marker.size), drawn.marker.sizemode) == ([4, 16], "area")
    assert list(drawn.error_y.array) == pytest.approx([0.3, 0])
    assert list(drawn.error_y.arrayminus) == pytest.approx([0.4, 0.3])


def test_stress_is_drawn_over_severity(page, data):
    section(page, "stress")
    page.text_input(f"{Widget.compare_stress}_folder").set_value(str(data)).run()
    page.selectbox(Widget.compare_stress_test).set_value("shift").run()
    start(page)
    assert "6 pictures from" in texts(page)
    assert charts(page) == 1


def test_a_folder_that_cannot_be_used_gets_a_sentence(page):
    section(page, "stress")
    page.text_input(f"{Widget.compare_stress}_folder").set_value("/nowhere/at/all").run()
    assert "cannot be measured" in page.error[0].value
    assert "no folder" in page.error[0].value


def test_a_server_can_limit_the_folders(data, monkeypatch):
    monkeypatch.setattr(compare_pictures, "_from_elsewhere", lambda: False)
    assert compare_pictures.data_folder(str(data / "ant")) == data / "ant"
    monkeypatch.setenv(compare_pictures.DATA, str(data / "bee"))
    assert compare_pictures.data_folder(str(data / "bee")) == data / "bee"
    for outside in (data / "ant", data / "bee" / ".." / "ant"):
        with pytest.raises(ValueError, match="must lie below"):
            compare_pictures.data_folder(str(outside))


LOCAL = {"Host": "localhost:8501"}


def test_a_name_that_no_folder_can_have_is_none(data, monkeypatch):
    monkeypatch.setattr(compare_pictures, "_from_elsewhere", lambda: False)
    for name in ("x" * 300, "~nobody-of-this-name", str(data / "nowhere")):
        with pytest.raises(ValueError, match="is no folder"):
            compare_pictures.data_folder(name)


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.168.1.7", {"Host": "teacher.local:8501"}),
        ("192.168.1.7", LOCAL),
        (None, {"Host": "gsa.example.org"}),  # through a proxy or a tunnel
        (None, {**LOCAL, "X-Forwarded-For": "127.0.0.1"}),
        (None, {**LOCAL, "X-Real-IP": "192.0.2.7"}),
        (None, {**LOCAL, "Origin": "https://gsa.example.org"}),  # whose proxy renames the host
    ],
)
def test_from_another_computer_no_folder_is_open_by_itself(data, monkeypatch, address, headers):
    context = SimpleNamespace(ip_address=address, headers=headers)
    monkeypatch.setattr(compare_pictures.st, "context", context)
    for path in (data / "ant", "/nowhere/at/all"):  # nor is it told which there are
        with pytest.raises(ValueError, match=r"set GSA_DATA to the folder that it must lie in\.$"):
            compare_pictures.data_folder(str(path))
    monkeypatch.setenv(compare_pictures.DATA, str(data))
    assert compare_pictures.data_folder(str(data / "ant")) == data / "ant"


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:80"])
def test_who_sits_at_the_same_computer_may_name_any_folder(data, monkeypatch, host):
    context = SimpleNamespace(ip_address=None, headers={"Host": host})
    monkeypatch.setattr(compare_pictures.st, "context", context)
    assert compare_pictures.data_folder(str(data / "ant")) == data / "ant"


def test_a_result_of_a_folder_is_for_those_who_may_read_it(page, data, monkeypatch):
    section(page, "right")
    page.text_input(f"{Widget.compare_right}_folder").set_value(str(data)).run()
    start(page)
    assert charts(page)
    monkeypatch.setattr(compare_pictures, "_from_elsewhere", lambda: True)
    page.run()
    assert "from another computer" in page.error[0].value
    assert not charts(page)
    assert not page.get("download_button")


def test_what_runs_elsewhere_is_awaited_and_not_measured_twice(page, monkeypatch):
    key = next(each.key for each in page.button).removeprefix(f"{Widget.compare_start} ")
    with monkeypatch.context() as patch:
        patch.setattr(compare_results, "_session", lambda: "another")
        other = compare_results.claimed(key)
        other.__enter__()
        assert not compare_results.is_running_elsewhere(key)  # a session does not await itself
    page.run()
    assert [each.value for each in page.info] == [TEXT["elsewhere"]]
    assert not page.button
    with compare_results.claimed(key) as ours:
        assert not ours  # asked and said in one: no two measure the same
    assert compare_results.is_running_elsewhere(key)  # one run does not end another
    other.__exit__(None, None, None)
    page.run()
    assert labels(page) == [TEXT["fields"]["start"]]
    start(page)
    assert charts(page) == 2


def test_a_run_of_its_own_that_goes_on_to_its_end_is_not_somebody_elses(page):
    """A click ends a run at its next word to the browser, and the page is drawn before that."""
    key = next(each.key for each in page.button).removeprefix(f"{Widget.compare_start} ")
    compare_results._running()[0].append((key, "test session id"))
    page.run()
    assert not page.info
    assert labels(page) == [TEXT["fields"]["start"]]
    compare_results._running()[0].clear()


def test_a_measurement_that_fails_is_not_awaited(page, monkeypatch):
    def failing(*_, **__):
        yield 0.5, None
        raise ValueError("no.")

    monkeypatch.setattr(compare_resources, "fields", failing)
    start(page)
    assert "no." in page.error[0].value
    page.run()
    assert labels(page) == [TEXT["fields"]["start"]]


def test_few_measurements_hold_pictures_at_once(monkeypatch):
    monkeypatch.setattr(compare_resources, "_FOLDERS", threading.Semaphore(1))
    first = compare_resources._few_at_once(iter([(0.5, "one"), (1.0, "done")]))
    assert next(first) == (0.5, "one")
    second = compare_resources._few_at_once(iter([(1.0, "other")]))
    assert next(second) == (0.0, None)  # waits, and says so, so that it can be cancelled
    first.close()  # cancelled
    assert next(second) == (1.0, "other")


def test_results_are_forgotten_oldest_first(monkeypatch):
    results, _ = compare_results._store()
    results.clear()
    monkeypatch.setattr(compare_results, "_KEPT", 2)
    for key in "ab":
        compare_results.keep(key, key)
    compare_results.kept("a")
    compare_results.keep("c", "c")
    assert (compare_results.kept("a"), compare_results.kept("b")) == ("a", None)
