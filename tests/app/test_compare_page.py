"""The Compare page without a browser: each section, its buttons, and what bad input does."""

import base64

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import compare_pictures, compare_resources, compare_results
from app.figures import compare as figures
from app.figures import fields, theme
from app.text import words
from app.views import compare_cost
from app.widgets import Widget
from gsa import ranges
from gsa.growth import Crossover
from gsa.preprocess import Grid
from tests.app import compare_support
from tests.app.compare_support import (
    TEXT,
    charts,
    drawn,
    kept_fields,
    labels,
    lines,
    opened,
    section,
    start,
    texts,
    wait_for_buttons,
)
from tests.app.test_pages import MAIN

page, data, two_pairs = compare_support.page, compare_support.data, compare_support.two_pairs


def test_what_takes_seconds_is_measured_at_once_the_first_time(two_pairs, monkeypatch):
    monkeypatch.setattr(compare_pictures, "gallery_count", lambda card: 1)
    app = opened()
    assert charts(app) == 2
    assert labels(app) == [TEXT["again"]]
    app.button_group(Widget.compare_weights).set_value("random").run()
    assert labels(app) == [TEXT["again"]]
    assert labels(section(app, "cost")) == [TEXT["cost"]["start"]]  # which takes longer
    results, _ = compare_results._store()
    results.clear()  # as after a run that was cancelled
    assert labels(section(app, "fields")) == [TEXT["fields"]["start"]]
    assert charts(start(app)) == 2


def test_pictures_of_a_folder_wait_for_a_button(two_pairs, data, monkeypatch):
    monkeypatch.setattr(compare_pictures, "_from_elsewhere", lambda: False)
    app = opened("right")
    for name in ("right", "stress"):
        section(app, name)
        app.text_input(f"widget_compare_{name}_folder").set_value(str(data)).run()
        assert labels(app) == [TEXT[name]["start"]]


def test_what_was_chosen_is_there_for_who_comes_back(page):
    page.button_group(Widget.compare_weights).set_value("random").run()
    start(page)
    page.select_slider(Widget.compare_layer).set_value("3.1").run()
    section(page, "probes").slider(Widget.compare_probe_steps).set_value(150).run()
    page.switch_page("views/networks.py").run()
    section(page.switch_page("views/compare.py").run(), "fields")
    assert page.button_group(Widget.compare_weights).value == "random"
    assert page.select_slider(Widget.compare_layer).value == "3.1"
    assert section(page, "probes").slider(Widget.compare_probe_steps).value == 150
    assert not page.warning  # of a widget with two start values


def test_fields_are_measured_once_and_kept(page):
    start(page)
    assert charts(page) == 2
    assert "64 × 64 pixels; 16 gallery pictures" in texts(page)
    assert TEXT["fields"]["whole"] in texts(page)
    assert "27 × 27" not in texts(page)
    page.select_slider(Widget.compare_layer).set_value("1.1").run()
    assert TEXT["fields"]["box"].format(side=19) in texts(page)
    assert labels(page) == [TEXT["again"]]  # no new measurement for another layer
    linear = _pictures(page)
    page.button_group(Widget.compare_colours).set_value("root").run()
    assert labels(page) == [TEXT["again"]]  # nor for other colours
    assert not set(_pictures(page)) & set(linear)
    assert TEXT["fields"]["colour_scales"]["root"] in texts(page)
    page.button_group(Widget.compare_weights).set_value("random").run()
    assert labels(page) == [TEXT["fields"]["start"]]  # but for other weights
    page.button_group(Widget.compare_weights).set_value("trained").run()
    before = kept_fields()
    page.button[0].click().run()  # measures again
    assert labels(page) == [TEXT["again"]]
    assert charts(page) == 2
    assert kept_fields() is not before


def _pictures(app) -> list[str]:
    """The markup of the pictures of the fields, one for each twin."""
    found = [each.proto.body for each in app.get("html") if "<img" in each.proto.body]
    assert len(found) == 2
    return found


def test_a_result_is_kept_for_all_until_there_is_a_new_one(page, monkeypatch):
    start(page)
    before = kept_fields()

    def steps(*_arguments, **_options):
        yield 0.5, None
        assert kept_fields() is before  # which is what all others see meanwhile
        raise ValueError("no more")

    monkeypatch.setattr(compare_resources, "fields", steps)
    page.button[0].click().run()
    assert TEXT["cannot"].format(error="no more") in {each.value for each in page.error}
    page.run()
    assert labels(page) == [TEXT["again"]]
    assert charts(page) == 2
    assert kept_fields() is before


def test_fields_stand_beside_what_they_were_if_all_counted_alike(page):
    start(page)
    depth, distance = drawn(page)
    names, alike = TEXT["fields"]["distance_lines"], TEXT["fields"]["even"]
    table = page.dataframe[0].value.set_index("")
    fits = {TEXT["fields"]["table"][key] for key in ("sigma", "r2")}
    assert set(table.index[table[alike] == "–"]) == fits  # of what is flat no Gaussian is the best
    field = lines(depth)[alike]
    assert (field["line"]["dash"], field["line"]["color"]) == ("dot", theme.QUIET)
    # of the 64 x 64 pixels, 90 % lie within this radius of the unit nearest to the middle
    assert all(29 < radius < 45 for radius in field["y"])
    assert f"{field['y'][len(field['y']) // 2]:.1f} px" in set(page.dataframe[0].value[alike])
    even = lines(distance)[names["even"]]
    grid = Grid(16, 16, 64, 64)
    assert even["y"][0] == pytest.approx(ranges.mean_even_distance(grid))
    assert TEXT["fields"]["depth_note"] in texts(page)


def test_the_chosen_place_is_that_of_the_look_page(tiny_checkpoints, monkeypatch):
    wait_for_buttons(monkeypatch)
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.query_params.update({"picture": "panda_0021.jpg", "row": "0.25", "column": "0.75"})
    app.run()
    app.switch_page("views/compare.py").run()
    app.selectbox(Widget.compare_point).set_value("chosen").run()
    start(app)
    assert "row 16, column 48" in texts(app)


def test_of_a_rectangle_the_middle_is_taken(tiny_checkpoints, monkeypatch):
    wait_for_buttons(monkeypatch)
    app = AppTest.from_file(MAIN, default_timeout=120)
    link = {"row": "0.25", "column": "0.5", "bottom": "0.75", "right": "0.625"}
    app.query_params.update({"picture": "panda_0021.jpg", **link})
    app.run()
    app.switch_page("views/compare.py").run()
    app.selectbox(Widget.compare_point).set_value("chosen").run()
    start(app)
    assert "row 32, column 36" in texts(app)


def test_costs_are_measured_live(page, monkeypatch):
    from gsa import scaling

    monkeypatch.setattr(scaling, "SIZES", (32, 64))
    section(page, "cost")
    start(page)
    assert charts(page) == 1
    assert labels(page) == [TEXT["again"]]
    page.button_group(Widget.compare_cost_figure).set_value("peak_bytes").run()
    assert not page.exception
    assert labels(page) == [TEXT["again"]]


def test_another_pair_is_what_everything_on_the_page_is_of(two_pairs, monkeypatch):
    wait_for_buttons(monkeypatch)
    monkeypatch.setitem(words("look")["pairs"], "tiny", "Tiny")
    app = opened()
    assert app.selectbox(Widget.pair).value == "small"
    start(app)
    assert charts(app) == 2
    app.selectbox(Widget.pair).set_value("tiny").run()
    assert not app.exception
    assert app.button  # the fields of this pair have not been measured
    start(app)
    for name in ("right", "paper"):
        section(app, name)
        assert list(app.dataframe[-1].value["Checkpoint"]) == ["tiny_gsa", "tiny_conv"]
        assert list(app.dataframe[-1].value["Trained on"]) == ["Tiny", "Tiny"]
    app.selectbox(Widget.pair).set_value("small").run()
    assert list(app.dataframe[-1].value["Checkpoint"]) == ["small_gsa", "small_conv"]
    assert charts(section(app, "fields")) == 2  # those that were kept


@pytest.mark.parametrize(("name", "measure"), [("cost", "costs"), ("stress", "stress")])
def test_measurements_are_of_the_chosen_pair(two_pairs, monkeypatch, name, measure):
    wait_for_buttons(monkeypatch)
    asked = []

    def measured(pair, *_):
        asked.append(pair)
        raise ValueError("enough")
        yield

    monkeypatch.setattr(compare_resources, measure, measured)
    monkeypatch.setattr(compare_pictures, "gallery_count", lambda card: 1)
    app = opened(name)
    app.selectbox(Widget.pair).set_value("tiny").run()
    start(app)
    assert asked == [{"conv": "tiny_conv", "gsa": "tiny_gsa"}]


def test_pages_share_the_pair(two_pairs, monkeypatch):
    wait_for_buttons(monkeypatch)
    app = opened()
    app.selectbox(Widget.pair).set_value("tiny").run()
    app.switch_page("views/look.py").run()
    assert app.selectbox(Widget.pair).value == "tiny"
    assert app.query_params["pair"] in ("tiny", ["tiny"])
    app.selectbox(Widget.pair).set_value("small").run()
    app.switch_page("views/compare.py").run()
    assert app.selectbox(Widget.pair).value == "small"


def test_one_pair_is_no_choice(page):
    assert Widget.pair not in [each.key for each in page.selectbox]


@pytest.mark.parametrize("task", TEXT["probes"]["tasks"])
def test_a_probe_shows_what_it_asks(page, task):
    section(page, "probes")
    page.selectbox(Widget.compare_probe_task).select(task).run()
    captions = [caption for each in page.get("image") for caption in each.captions]
    yes, no = TEXT["probes"]["answers"][task]
    assert captions == [
        f"{answer}, {distance} px apart" for distance in (8, 38) for answer in (yes, no)
    ]


def test_a_probe_runs_and_is_drawn(page, monkeypatch):
    from gsa import probes

    def quick(probe, mixer):
        yield probes.Progress(mixer, 1, 1, 0.5)
        yield probes.Progress(mixer, 1, 1, 0.5, [(0.5, 0.4, 0.6)] * len(probes.BINS))

    monkeypatch.setattr(probes, "run", quick)
    section(page, "probes")
    start(page)
    (figure,) = drawn(page)
    assert "27 pixels across" in texts(page)
    some, none = figure["layout"]["shapes"][:2]
    names = TEXT["probes"]["fits"]
    assert (some["name"], none["name"]) == (names["some"], names["none"])
    # bars of 5 fit into 27 up to 22, a third into the bin from 20 to 26; 31.1 at the diagonal
    assert (some["x0"], some["x1"]) == (pytest.approx(1.5 + 1 / 3), none["x0"])
    assert none["x0"] == pytest.approx(2.5 + (22 * 2**0.5 - 26) / 6)
    assert none["x1"] == len(probes.BINS) - 0.5
    assert "up to 22 pixels apart" in texts(page)
    page.selectbox(Widget.compare_probe_task).select("line").run()
    start(page)
    (figure,) = drawn(page)
    (none,) = (each for each in figure["layout"]["shapes"] if "name" in each)
    assert (none["name"], none["x0"]) == (names["none"], pytest.approx(1.5 + 5 / 6))
    assert "up to 25 pixels" in texts(page)


def test_the_paper_is_quoted_beside_what_is_counted(page):
    section(page, "paper")
    table = page.dataframe[0].value
    names = TEXT["paper"]["table"]
    table = table.set_index("Network")
    row = table.loc["gsa_resnet50"]
    assert (row[names["params_quoted"]], row[names["top1_quoted"]]) == ("18.1 M", "78.5%")
    assert row[names["params"]] == pytest.approx(18.052856)
    for quoted in table[names["flops_quoted"]].drop("gsa_resnet38").items():
        assert float(quoted[1].removesuffix(" G")) == pytest.approx(
            table.loc[quoted[0], names["flops"]], abs=0.1
        )
    nothing = table.loc["gsa_resnet38"]
    assert {nothing[names[key]] for key in names if key.endswith("_quoted")} == {"–"}


def test_without_checkpoints_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    app = AppTest.from_file(MAIN, default_timeout=60).run()
    app.switch_page("views/compare.py").run()
    assert not app.exception
    assert "nothing to compare" in app.error[0].value


def test_a_field_is_drawn_with_its_square_and_circles():
    weights = np.zeros((8, 6), dtype=np.float32)
    url = fields.url(weights, (1, 2, 5, 6), (3.5, 4.0), (1.5, float("nan")))
    markup = fields.markup(url, "a <field>")
    assert "a &lt;field&gt;" in markup
    svg = base64.b64decode(markup.split("base64,")[1].split("'")[0]).decode()
    assert svg.count("<circle") == 1
    assert "viewBox='0 0 6 8'" in svg
    assert "cx='4' cy='3.5' r='1.5'" in svg


def test_growth_has_logarithmic_axes_and_against_has_intervals():
    drawn = figures.growth({"a": ("gsa", [32, 64], [1.0, 2.0])}, "size", "cost")
    assert (drawn.layout.xaxis.type, drawn.layout.yaxis.type) == ("log", "log")
    drawn = figures.against({"a": ("gsa", ["1"], [(0.5, 0.4, 0.7)])}, "x", "y", {"even": 0.5})
    bars = drawn.data[0].error_y
    assert (bars.array[0], bars.arrayminus[0]) == (pytest.approx(0.2), pytest.approx(0.1))
    (name,) = drawn.layout.annotations
    assert (name.text, name.x, name.yanchor) == ("even", 0, "top")  # away from where lines end


def test_who_is_cheaper_is_said_from_size_to_size():
    back_and_forth = [Crossover("dense", "gsa", 79.0), Crossover("gsa", "dense", 241.0)]
    other = Crossover("conv", "content", 64.0)
    sentences = compare_cost._crossings([back_and_forth[0], other, back_and_forth[1]])
    names = TEXT["cost"]["names"]
    assert sentences == [
        f"Cheaper: **{names['dense']}** up to 79 px, **{names['gsa']}** up to 241 px, "
        f"**{names['dense']}** above.",
        f"Cheaper: **{names['conv']}** up to 64 px, **{names['content']}** above.",
    ]
