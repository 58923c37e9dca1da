"""The pages without a browser: what they say, and what bad input does."""

import gc
import io
import re
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import gallery, panels, resources, state
from app.selection import OWN, Selection, to_parameters
from app.text import words
from app.widgets import Widget
from gsa.baselines import untrained
from gsa.card import Card
from gsa.checkpoints import save
from gsa.preprocess import Preprocess
from tests.conftest import photo, tiny_config

MAIN = str(Path(__file__).parents[2] / "app" / "main.py")
TEXT = words("look")


def encoded(picture, kind="PNG"):
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def page(tiny_checkpoints):
    app = AppTest.from_file(MAIN, default_timeout=60).run()
    assert not app.exception
    return app


def texts(app):
    return " ".join(str(element.value) for element in [*app.caption, *app.success, *app.error])


def test_the_first_view_has_a_picture_and_a_proof(page):
    assert "Proved for this place" in texts(page)
    assert "16 × 16 cells" in texts(page)
    assert page.query_params["picture"]


@pytest.mark.parametrize(
    ("direction", "strip"),
    [("from", "applied to the values"), ("to", "values that stand here alone")],
)
def test_the_proof_is_of_the_direction_that_is_shown(tiny_checkpoints, direction, strip):
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params.update({"direction": direction, "section": "heads"})
    app.run()
    assert not app.exception
    assert strip in texts(app)
    # of content, positional and sum: the one weight is always one that the place reads by
    assert texts(app).count(", largest relative error") == 3


def test_a_link_opens_its_state(tiny_checkpoints):
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params.update(
        {"picture": "panda_0021.jpg", "row": "0.9", "column": "0.1", "layer": "2.1", "heads": "1"}
    )
    app.run()
    assert not app.exception
    assert "Row 15, column 2 of 16 × 16" in texts(app)
    assert app.selectbox(Widget.heads).value == "1"
    assert any("2.1" in heading.value for heading in app.subheader)


def pictures_of_maps(app):
    """What the strip of all layers draws."""
    protos = (str(each.proto) for each in app.get("bidi_component"))
    return re.findall(r"data:image/png[^\"]*", next(p for p in protos if Widget.strip in p))


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        (Widget.heads, "absolute"),
        (Widget.heads, "3"),
        (Widget.direction, "to"),
        (Widget.value, "deviation"),
        (Widget.value, "absolute"),
        (Widget.value, "contribution"),
        (Widget.scale, "all"),
    ],
)
def test_every_switch_redraws(page, widget, value):
    before = pictures_of_maps(page)
    assert len(before) == 8
    page.selectbox(widget).set_value(value).run()
    assert not page.exception
    assert page.query_params[widget.removeprefix("widget_")] in (value, [value])
    assert pictures_of_maps(page) != before


def opened(section, **parameters):
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.query_params.update({"picture": "panda_0021.jpg", **parameters, "section": section})
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("section", list(TEXT["sections"]))
@pytest.mark.parametrize(
    "place",
    [
        {"row": "0.3"},
        {"row": "0.25", "column": "0.25", "bottom": "0.5", "right": "0.75"},
        {"row": "0.01", "column": "0.01", "bottom": "0.99", "right": "0.99"},
    ],
)
def test_every_section_opens_for_a_point_and_a_rectangle(tiny_checkpoints, section, place):
    app = opened(section, **place)
    titles = {
        "heads": "head by head",
        "places": "two places",
        "stable": "is it special",
    }
    wanted = titles.get(section, TEXT["sections"][section])
    assert any(wanted in heading.value for heading in app.subheader)


def bars(app):
    """Labels and percentages of the predictions below the cut."""
    return [each.body for each in app.get("html") if "With the cut" in each.body]


def test_a_cut_changes_the_prediction_and_a_wide_one_does_not(tiny_checkpoints):
    app = opened("matter")
    plain = bars(app)
    before, after = plain[0].split("<section")[1:]
    assert before.split("<ol>")[1].split("</ol>")[0] == after.split("<ol>")[1].split("</ol>")[0]
    app.select_slider(Widget.radius).set_value(0).run()
    assert not app.exception
    assert bars(app) != plain
    assert app.query_params["radius"] in ("0.0000", ["0.0000"])
    app.button_group(Widget.without).set_value("content").run()
    assert not app.exception
    assert app.query_params["without"] in ("content", ["content"])


def test_companions_are_coloured_by_the_scale_that_is_chosen(tiny_checkpoints):
    app = opened("stable")
    words_ = TEXT["companion_scale_words"]
    assert words_["shared"] in texts(app)
    assert [each.label for each in app.get("download_button")] == ["PNG", "SVG", "HTML", "NPZ"]
    app.button_group(Widget.companion_scale).set_value("own").run()
    assert not app.exception
    assert words_["own"] in texts(app)
    assert app.query_params["companion_scale"] in ("own", ["own"])


def test_ranges_are_from_the_place_whatever_the_maps_show(tiny_checkpoints):
    tables = [
        opened("range", row="0.3", direction=direction).dataframe[0].value
        for direction in ("from", "to")
    ]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    "chosen",
    [
        Selection(0.4, 0.7, heads="2"),
        Selection(0.25, 0.5, bottom=0.5, right=0.8125, heads="max", direction="to"),
        Selection(0.4, 0.7, value="deviation"),
        Selection(0.4, 0.7, heads="1", value="absolute"),
        Selection(0.4, 0.7, value="contribution"),
        Selection(0.4, 0.7, direction="to", value="contribution"),
    ],
)
def test_the_python_of_the_page_runs_and_gives_its_maps(
    tiny_checkpoints, monkeypatch, tmp_path, chosen
):
    app = opened("take", **to_parameters(chosen, "panda_0021.jpg"))
    program = next(each.value for each in app.code if "import gsa" in each.value)
    monkeypatch.chdir(Path(MAIN).parents[1])
    names: dict = {}
    exec(program.replace("maps.png", str(tmp_path / "maps.png")), names)
    assert (tmp_path / "maps.png").stat().st_size > 10_000
    wanted = panels.all_layers(names["recording"], chosen)
    assert len(names["panels"]) == len(wanted) == 8
    for found, panel in zip(names["panels"], wanted, strict=True):
        assert (found.layer, found.branch, found.cells) == (panel.layer, panel.branch, panel.cells)
        np.testing.assert_array_equal(found.weights, panel.shown)
        assert found.signed == panel.signed


@pytest.mark.parametrize(
    ("value", "said"),
    [("weight", "Weights are signed"), ("deviation", "above the mean of its map"),
     ("contribution", "length of weight × gain × value")],
)  # fmt: skip
def test_the_legend_is_of_what_is_shown(tiny_checkpoints, value, said):
    assert said in texts(opened("heads", value=value))


@pytest.mark.parametrize("direction", ["from", "to"])
def test_the_legend_says_what_distances_would_be_if_all_cells_counted_alike(
    tiny_checkpoints, direction
):
    said = texts(opened("heads", row="0.01", column="0.01", direction=direction))
    distances = []
    for cells in (16, 8, 4):  # along each side of the grids of the layers
        side = np.arange(cells) * 64 / cells
        distances.append(round(np.hypot(side[:, None], side[None, :]).mean()))
    assert f"({min(distances)} to {max(distances)} if all cells counted alike)" in said


def test_the_legend_of_sizes_says_nothing_of_signs(tiny_checkpoints):
    said = texts(opened("heads", heads="max"))
    assert "Dark blue is zero, yellow most. Shown is the size of the weights" in said
    assert "Weights are signed" not in said


def uploading(app, name, data, kind="image/png"):
    app.button_group(Widget.source).set_value("upload").run()
    app.file_uploader[0].set_value((name, data, kind)).run()
    assert not app.exception
    return app


def test_the_link_to_take_leads_to_the_section_that_was_read(tiny_checkpoints):
    app = opened("range")
    app.button_group(Widget.section).set_value("take").run()
    assert any("section=range" in each.value for each in app.code)
    assert app.markdown[-1].value == f"**{TEXT['take_link_read']}**"
    direct = opened("take")
    assert any("section=take" in each.value for each in direct.code)
    assert direct.markdown[-1].value == f"**{TEXT['take_link']}**"


def test_going_back_soon_after_a_change_is_heeded_a_moment_later(tiny_checkpoints, monkeypatch):
    """Each going back within the moment must not begin it anew."""
    clock = [0.0]
    monkeypatch.setattr(state, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    app = opened("stable")
    before = dict(app.query_params)
    app.button_group(Widget.section).set_value("range").run()
    for clock[0], section in ((1.0, "range"), (2.0, "stable")):
        app.query_params.clear()
        app.query_params.update(before)
        app.run()
        assert section in app.query_params["section"]


def test_an_uploaded_picture_is_shown(page):
    uploading(page, "mine.png", encoded(photo(300, 120)))
    assert "your photo, which is 300 wide and 120 high" in texts(page)
    assert "that is 60.0% of the photo" in texts(page)
    assert "enlarged" not in texts(page)
    own = "".join(page.query_params["picture"])
    assert own.startswith(OWN)  # a sign that this session knows, and no other
    assert "mine" not in own
    assert not page.error


def test_a_picture_with_fewer_pixels_than_the_network_takes_is_said_to_be_enlarged(page):
    uploading(page, "small.png", encoded(photo(40, 20)))
    assert "enlarged 3.2 times, to the 64 by 64 pixels" in texts(page)


BAD = {
    "empty.png": b"",
    "text.jpg": b"just words, no picture at all",
    "cut.png": encoded(photo())[:400],
    "cut.jpg": encoded(photo(), "JPEG")[:900],
    "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "bomb.png": encoded(Image.new("L", (8000, 8000))),
    "program.exe": b"MZ" + bytes(2000),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_upload_gets_a_sentence_and_the_picture_stays(page, name):
    uploading(page, "good.png", encoded(photo(240, 160)))
    page.file_uploader[0].set_value((name, BAD[name], "image/png")).run()
    assert not page.exception
    (error,) = page.error
    assert error.value.endswith("The picture before it stays.")
    assert "your photo, which is 240 wide and 160 high" in texts(page)
    page.file_uploader[0].set_value(("again.png", encoded(photo(90, 90)), "image/png")).run()
    assert not page.error
    assert "your photo, which is 90 wide and 90 high" in texts(page)


def test_without_checkpoints_the_page_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    app = AppTest.from_file(MAIN, default_timeout=60).run()
    assert not app.exception
    assert "python -m gsa train" in app.error[0].value


def test_a_damaged_checkpoint_gets_a_sentence(checkpoint_folder, tmp_path, monkeypatch):
    for path in checkpoint_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tiny_gsa.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    app = AppTest.from_file(MAIN, default_timeout=60).run()
    assert not app.exception
    assert "git lfs pull" in app.error[0].value


def test_every_gallery_picture_has_a_credit_and_opens():
    from app import resources
    from gsa import open_picture

    files = {path.name for path in gallery.FOLDER.glob("*.jpg")}
    assert {entry["name"] for entry in resources.thumbnails()} == files
    for name in files:
        assert open_picture(resources.gallery_bytes(name)).mode == "RGB"
    assert resources.gallery_bytes("../main.py") is None


@pytest.fixture
def two_pairs(checkpoint_folder, tmp_path, monkeypatch):
    """The tiny pair twice, under two names."""
    for name in ("gsa", "conv"):
        for suffix in (".json", ".safetensors"):
            data = (checkpoint_folder / f"tiny_{name}{suffix}").read_bytes()
            (tmp_path / f"tiny_{name}{suffix}").write_bytes(data)
            other = data.replace(b'"tiny', b'"small') if suffix == ".json" else data
            (tmp_path / f"small_{name}{suffix}").write_bytes(other)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))


def test_what_a_visitor_left_goes_when_the_next_one_comes(tiny_checkpoints):
    class Left:
        """A cycle, as a session is."""

    left = Left()
    left.itself = left
    gone = weakref.ref(left)
    gc.disable()
    try:
        resources._checkpoint.clear()
        AppTest.from_file(MAIN, default_timeout=120).run()  # loads the networks
        del left
        assert gone() is not None
        AppTest.from_file(MAIN, default_timeout=120).run()
        assert gone() is None
    finally:
        gc.enable()


def test_another_pair_of_networks_can_be_chosen(two_pairs):
    app = opened("take")
    assert app.selectbox(Widget.pair).value == "small"
    app.selectbox(Widget.pair).set_value("tiny").run()
    assert not app.exception
    assert "tiny_gsa" in app.code[0].value
    assert opened("take", pair="tiny").selectbox(Widget.pair).value == "tiny"


def test_one_pair_is_no_choice(page):
    assert Widget.pair not in [each.key for each in page.selectbox]


def test_a_branch_that_is_the_only_one_cannot_be_switched_off(tmp_path, monkeypatch):
    for mixer in ("gsa", "conv"):
        config = tiny_config(positional="none")
        card = Card(
            f"one_{mixer}", "one", config if mixer == "gsa" else config.twin(), Preprocess(64),
            classes=("a", "b", "c", "d", "e"), data={"name": "nothing"},
        )  # fmt: skip
        save(untrained(card, seed=1).model, card, tmp_path)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    app = opened("matter", without="content")
    assert Widget.without not in [each.key for each in app.button_group]
