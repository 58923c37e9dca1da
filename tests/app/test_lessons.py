"""Every lesson opens what it names, and what it says there is to see is so."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import gsa
from app import companions, gallery, links, one_weight, panels, places, resources
from app.drawing import View
from app.lessons import LESSONS, OnCompare, OnLook
from app.resources import Seen
from app.sections.matter import _radii
from app.selection import QUESTION, Selection, from_parameters
from app.state import Picture
from app.text import words
from gsa import baselines, erf, interventions, maps, stability
from gsa.attribution import attribute
from gsa.baselines import CONTROLS
from gsa.cells import Cells
from gsa.checkpoints import folder
from gsa.faithfulness import by_chance, deletion
from gsa.interventions import Limits
from gsa.probes import FARTHEST, MARK, NEAREST, Probe
from gsa.proofs import TOLERANCE_FLOAT32
from gsa.receptive_field import field_of
from gsa.report_studies import attributions_tested
from gsa.two_steps import two_step_path

VIEW = Path(__file__).parents[2] / "app" / "views" / "lessons.py"
TEXT = words("lessons")
OTHERS = {page: words(page) for page in ("look", "compare")}
STATES = {name: opens for name, opens in LESSONS.items() if isinstance(opens, OnLook)}
QUESTIONS = {name: opens for name, opens in LESSONS.items() if isinstance(opens, OnCompare)}


@cache
def checkpoint(mixer="gsa"):
    """A network of the pair that links open."""
    return gsa.load(resources.twins()[mixer])


@cache
def tensor(name):
    preprocess = checkpoint().preprocess
    picture = gsa.open_picture(gallery.FOLDER / STATES[name].picture)
    return preprocess.tensor(preprocess.crop(picture))


@cache
def recording(name):
    """The picture of a lesson as the GSA network sees it."""
    return gsa.record(checkpoint().model, tensor(name))


def test_each_lesson_has_its_words_and_each_words_a_lesson():
    assert list(TEXT["lessons"]) == list(LESSONS)
    for lesson in TEXT["lessons"].values():
        assert lesson["title"].endswith("?")
        assert lesson["ask"].endswith("?")
        assert len(lesson["do"]) == 3
        assert 3 <= len(lesson["see"]) <= 4


def known():
    layers = recording("map").layers
    return links.Known(
        pictures=tuple(gallery.titles()),
        pairs=tuple(gsa.pairs()),
        layers=tuple(layers),
        heads=max(layer.heads for layer in layers.values()),
        classes=checkpoint().card.classes,
    )


@pytest.mark.parametrize("name", STATES)
def test_a_link_is_read_back_as_the_state_it_names(name):
    opens = STATES[name]
    path, said = urlsplit(opens.link).path, dict(parse_qsl(urlsplit(opens.link).query))
    shown = links.fitted(from_parameters(said), known())
    assert path == "./"
    assert shown == opens.chosen
    assert links.complaint(said, shown, known()) == ""
    assert said["picture"] == opens.picture
    assert opens.picture in gallery.titles()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_one_of_the_compare_page(name):
    said = dict(parse_qsl(urlsplit(QUESTIONS[name].link).query))
    assert said == {QUESTION: QUESTIONS[name].question}
    assert links.not_there(said, {QUESTION: OTHERS["compare"]["sections"]}) == ""


@pytest.fixture(scope="module")
def page():
    app = AppTest.from_file(str(VIEW), default_timeout=60).run()
    assert not app.exception
    return app


def test_the_page_shows_every_lesson_with_its_link(page):
    assert [each.url for each in page.get("link_button")] == [
        each.link for each in LESSONS.values()
    ]
    assert len(page.subheader) == len(page.expander) == len(LESSONS)
    assert len(page.get("image")) == len(STATES)


def test_what_there_is_to_see_is_folded_away_and_named_as_on_the_other_pages(page):
    assert not any(each.proto.expanded for each in page.expander)
    said = " ".join(each.value for each in page.markdown)
    assert "{" not in said
    assert f"**{OTHERS['look']['sections']['heads']}**" in said


def place(name, layer):
    return STATES[name].chosen.cells(recording(name).grid(layer))


def test_weights_are_signed_do_not_sum_to_1_and_are_proved():
    whole, chosen = recording("map"), STATES["map"].chosen
    layer, cells = whole["2.1"], place("map", "2.1")
    sums = maps.content_map(layer, cells).sum(axis=(1, 2))
    np.testing.assert_allclose(sums, cells.of(layer.q).sum(axis=(1, 2, 3)), rtol=1e-4)
    assert (np.abs(sums - 1) > 0.5).all()
    np.testing.assert_allclose(maps.key_maps(layer).sum(axis=(2, 3)), 1, rtol=1e-4)
    both = [0.1 < panel.measures.negative < 0.9 for panel in panels.all_layers(whole, chosen)]
    assert sum(both) > 2
    assert panels.proof(whole, chosen)[0].max_rel_error <= TOLERANCE_FLOAT32


STEPS = 16  # presses of the arrow key


def test_the_content_map_stays_and_the_positional_map_moves_along():
    whole, chosen = recording("branches"), STATES["branches"].chosen
    columns = panels.finest_grid(whole).columns
    moved = replace(chosen, column=chosen.column + STEPS / columns)
    assert "sixteen" in " ".join(TEXT["lessons"]["branches"]["do"])
    layer, grid = whole[chosen.layer], whole.grid(chosen.layer)
    step = STEPS * grid.columns // columns
    for branch in maps.branches(layer):
        first, last = (
            maps.mean_over_heads(maps.branch_map(layer, branch, each.cells(grid)))
            for each in (chosen, moved)
        )
        stays = stability.correlation(first, last)
        along = stability.correlation(first[:, :-step], last[:, step:])
        if branch == "content":
            assert stays > 0.7
            assert along < 0.5
        else:
            assert along > 0.8
            assert stays < 0.5
            # the queries change its weights, but not by much
            change = np.median(np.abs(first[:, :-step] / last[:, step:] - 1))
            assert 0.05 < change < 0.5
            for each in (chosen, moved):
                shares = [
                    one_weight.constant_query(layer, head, each.point(grid))
                    for head in range(layer.heads)
                ]
                assert 0.5 < np.mean(shares) < 0.9


def test_two_places_say_which_map_stays_and_which_moves_along():
    whole, chosen = recording("branches"), STATES["branches"].chosen
    moved = replace(chosen, column=chosen.column + STEPS / panels.finest_grid(whole).columns)
    assert (moved.other_row, moved.other_column) == (chosen.row, chosen.column)
    network = checkpoint()
    seen = Seen("", network, whole, Image.new("RGB", (1, 1)), (0, 0, 1, 1), (1, 1), ())
    shown = View({"gsa": seen}, Picture("", b""), moved, "2.1", panels.all_layers(whole, moved))
    found = {each.branch: each for each in places.alike(shown) if each.layer == "2.1"}
    assert found["content"].lie > 0.7 > 0.3 > found["content"].over
    assert found["positional"].over > 0.7 > 0.3 > found["positional"].lie


def test_a_positional_weight_turns_in_the_row_of_the_query_and_is_a_product():
    chosen = STATES["steps"].chosen
    layer, grid = recording("steps")[chosen.layer], recording("steps").grid(chosen.layer)
    query, source = chosen.point(grid), chosen.source(grid)
    path = two_step_path(layer, query, source)
    assert path.via == (query[0], source[1])
    weights = maps.positional_map(layer, Cells.at(*query))
    np.testing.assert_allclose(path.weight, weights[:, source[0], source[1]], rtol=1e-3)
    for row in range(grid.rows):  # in a column the row score stays, and the turn
        other = two_step_path(layer, query, (row, source[1]))
        np.testing.assert_array_equal(other.row_score, path.row_score)
        assert other.via == path.via
    elsewhere = two_step_path(layer, query, (source[0], source[1] - 3))
    assert not np.allclose(elsewhere.row_score, path.row_score)
    assert not np.allclose(path.column_q, path.row_q)  # of the turn, not of the square


def test_convolution_sees_a_square_that_grows_and_attention_everything():
    model, size = checkpoint("conv").model, checkpoint("conv").preprocess.size
    layers = list(model.blocks())
    sides = [field_of(model, layer, (1, 1), (size, size)).side[0] for layer in layers]
    assert sides == sorted(set(sides))
    assert sides[0] < size / 4
    assert sides[len(sides) // 2] < size < sides[-1]
    assert field_of(checkpoint().model, layers[0], (1, 1), (size, size)).whole


def test_in_the_last_layer_both_twins_use_about_as_much_of_the_picture():
    preprocess = checkpoint().preprocess
    pictures = [gsa.open_picture(gallery.FOLDER / name) for name in list(gallery.titles())[:4]]
    x = torch.cat([preprocess.tensor(preprocess.crop(picture)) for picture in pictures])
    middle = preprocess.size / 2, preprocess.size / 2
    gsa_radius, conv_radius = (
        list(erf.fields(checkpoint(mixer).model, x, middle))[-1].spread.radius_50
        for mixer in ("gsa", "conv")
    )
    assert gsa_radius == pytest.approx(conv_radius, rel=0.2)


def shares(name, limits, mixer="gsa"):
    """The classes of the picture of a lesson under limits, most probable first."""
    network = checkpoint(mixer)
    model = interventions.limited(network.model, limits) if mixer == "gsa" else network.model
    found = interventions.probabilities(model, tensor(name), network.card.temperature)[0]
    order = np.argsort(-np.asarray(found))
    return {network.card.classes[at]: float(found[at]) for at in order}


def best(name, limits, mixer="gsa"):
    return next(iter(shares(name, limits, mixer)))


def test_the_bonsai_is_lost_where_all_layers_are_cut_and_not_where_one_is():
    size, chosen = checkpoint().preprocess.size, STATES["cut"].chosen
    radius = round(chosen.radius * size)
    said = " ".join(TEXT["lessons"]["cut"]["do"])
    assert f"The radius is {radius} px" in said
    assert "64 px" in said
    seen = Seen("", checkpoint(), recording("cut"), None, (0, 0, 1, 1), (1, 1), ())
    assert {radius, 64} <= set(_radii(seen))
    assert best("cut", Limits()) == "bonsai"
    assert best("cut", Limits(radius=radius)) != "bonsai"
    assert best("cut", Limits(radius=64)) == "bonsai"
    whole = shares("cut", Limits())["bonsai"]
    assert shares("cut", Limits(radius=64))["bonsai"] < 0.5 * whole
    assert shares("cut", Limits(radius=radius, layers=("1.1",)))["bonsai"] > 0.75 * whole
    kept = shares("cut", Limits(radius=8, cut="near"))["bonsai"]
    assert kept == pytest.approx(0.5 * whole, rel=0.2)
    assert best("cut", Limits(radius=radius, layers=("1.1",))) == "bonsai"
    assert best("cut", Limits(), "conv") == "bonsai"
    assert best("cut", Limits(radius=16)) != "bonsai"
    assert best("cut", Limits(radius=8, cut="near")) == "bonsai"
    assert best("cut", Limits(radius=16, cut="near")) != "bonsai"
    grids = map(recording("cut").grid, recording("cut").layers)
    left = [Limits(radius=radius).cells(grid.cell[0]) for grid in grids]
    assert (left[:3], left[-3:]) == ([2] * 3, [0] * 3)
    assert 1 in left  # as a 3x3 kernel
    assert {8, 16} <= set(_radii(seen))


def test_the_probe_is_beyond_what_the_convolution_sees():
    probe = Probe()
    assert probe.task == next(iter(OTHERS["compare"]["probes"]["tasks"]))  # that is shown first
    assert NEAREST + MARK < probe.sees("conv") < FARTHEST
    assert probe.sees("gsa") is None


def test_the_content_map_was_learned_and_the_near_positional_map_was_put_in():
    chosen = STATES["trust"].chosen
    name, cells = chosen.layer, place("trust", chosen.layer)
    x, own = tensor("trust"), recording("trust")[name]
    across = stability.turn_of(cells, recording("trust").grid(name))
    mirrored = gsa.record(checkpoint().model, stability.mirrored(x, across))
    draws = range(companions.DRAWS)  # as the page shows them
    blanks = {("untrained", draw): baselines.untrained(checkpoint().card, draw) for draw in draws}
    blanks |= {("shuffled", draw): baselines.shuffled(checkpoint(), draw) for draw in draws}
    r, peaks = {}, {}
    for branch in maps.branches(own):
        weights = maps.branch_map(own, branch, cells).mean(axis=0)
        others = {("mirrored", 0): stability.mirrored_map(mirrored, name, branch, cells)}
        for kind, blank in blanks.items():
            others[kind] = maps.branch_map(gsa.record(blank.model, x)[name], branch, cells)
        for kind, other in others.items():
            r[branch, *kind] = stability.correlation(weights, other.mean(axis=0))
            peaks[branch, *kind] = np.abs(other.mean(axis=0)).max() / np.abs(weights).max()
    assert r["content", "mirrored", 0] > 0.5
    for draw in draws:
        assert r["content", "untrained", draw] < 0.3
        assert r["content", "shuffled", draw] < 0.3
        assert r["positional", "untrained", draw] > 0.7
        assert peaks["positional", "untrained", draw] < 0.1
        assert abs(r["positional", "shuffled", draw]) < 0.3
    assert checkpoint().card.network.relative_init == "local"


@cache
def explained(method, mixer):
    """An attribution of the kangaroo, and the area of its deletion curve."""
    network, x = checkpoint(mixer), tensor("heat")
    target = network.card.classes.index("kangaroo")
    found = attribute(network, x, target, method).values
    return found, deletion(network, x, target, found).area


def test_grad_cam_names_the_animal_in_one_twin_alone():
    rows, columns = tensor("heat").shape[2:]
    down, across = np.ogrid[:rows, :columns]
    # the kangaroo, as one sees it: from ear to tail
    animal = (down / rows > 0.15) & (down / rows < 0.85)
    animal = animal & (across / columns > 0.25) & (across / columns < 0.75)
    names, beaten = {}, {}
    for mixer in ("gsa", "conv"):
        network = checkpoint(mixer)
        target = network.card.classes.index("kangaroo")
        assert best("heat", Limits(), mixer) == "kangaroo"
        chance = by_chance(network, tensor("heat"), target)
        for method in ("grad_cam", "occlusion"):
            values, area = explained(method, mixer)
            peak = np.unravel_index(values.argmax(), values.shape)
            names[method, mixer] = bool(animal[peak])
            beaten[method, mixer] = int((area < chance.areas).sum())
    assert names == {
        ("grad_cam", "gsa"): False,
        ("occlusion", "gsa"): True,
        ("grad_cam", "conv"): True,
        ("occlusion", "conv"): True,
    }
    assert beaten["grad_cam", "gsa"] == 0  # of 16
    assert min(beaten[key] for key in beaten if key != ("grad_cam", "gsa")) == 16


def test_the_mere_middle_does_better_here_than_what_asks_the_networks():
    for mixer in ("gsa", "conv"):
        middle = explained("middle", mixer)[1]
        others = [method for method in OTHERS["look"]["methods"] if method not in CONTROLS]
        assert middle < min(explained(method, mixer)[1] for method in others)


def test_over_the_gallery_grad_cam_passes_in_one_twin_alone_and_nothing_on_more_than_half():
    networks = {checkpoint(mixer).card.name: mixer for mixer in ("gsa", "conv")}
    cards = [checkpoint(mixer).card for mixer in ("gsa", "conv")]
    study = attributions_tested(cards, folder())
    assert study["protocol"]["pictures"] == len(list(gallery.FOLDER.glob("*.jpg")))
    passed = {
        (row["method"], networks[row["checkpoint"]]): row["passed"] for row in study["methods"]
    }
    assert passed["grad_cam", "gsa"] == 0
    assert 0.3 < passed["grad_cam", "conv"] < 0.4
    assert max(share for (method, _), share in passed.items() if method not in CONTROLS) <= 0.5


def test_a_wrong_name_in_a_link_would_be_found():
    opens = OnLook("zebra.jpg", Selection(layer="9.9"))
    said = dict(parse_qsl(urlsplit(opens.link).query))
    shown = links.fitted(from_parameters(said), known())
    assert "9.9" in links.complaint(said, shown, known())
    assert "zebra" in links.complaint(said, shown, known())
    assert links.not_there({QUESTION: "probe"}, {QUESTION: OTHERS["compare"]["sections"]})
