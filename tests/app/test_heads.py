"""One weight, taken apart on the page: every number that makes it."""

import re

import numpy as np
import pytest

from app import gallery
from app.one_weight import content_weight, positional_weight
from app.sections import heads
from app.text import words
from gsa import maps
from gsa.cells import Cells
from gsa.checkpoints import load
from gsa.pictures import open_picture
from gsa.record import record
from tests.app.test_pages import opened

TEXT = words("look")


def lists(app):
    """The terms of each sum of the equations on the page: the largest, then those that unfold."""
    equations = [each.body for each in app.get("html") if "class='weight'" in each.body]
    return [
        [re.findall(r"<li>(.*?)</li>", part) for part in body.split("<ul>")[1:]]
        for body in equations
    ]


def value(line):
    return float(re.split("= |: ", line)[-1])


def test_both_branches_list_the_channels_of_every_step(tiny_checkpoints):
    app = opened("heads", layer="2.1", heads="1")
    content, positional = lists(app)
    assert [len(each) for each in content] == [6, 2]
    assert [len(each) for each in positional] == [6, 2] * 2  # the row step, the column step
    assert all("ρ" in line for line in content[0] if "×" in line)
    for step in positional:
        assert all("× r" in line for line in step if "×" in line)


def test_listed_terms_sum_to_the_scores(recording):
    layer, query, source = recording["2.1"], (3, 5), (9, 2)
    content = content_weight(layer, 2, query, source)
    terms = heads._channels("content_term", content.q, content.rho)
    assert sum(map(value, [*terms.first, *terms.rest])) == pytest.approx(content.weight, abs=1e-4)
    positional = positional_weight(layer, 2, query, source)
    for score in (positional.row, positional.column):
        terms = heads._channels("positional_term", score.q, score.r)
        assert len(terms.first) == min(len(score.q), heads._TERMS)
        assert len(terms.first) + len(terms.rest) == len(score.q)
        together = sum(map(value, terms.rest))
        assert bool(terms.others) == bool(terms.rest)
        if terms.others:
            assert value(terms.others) == pytest.approx(together, abs=1e-3)
        assert sum(map(value, terms.first)) + together == pytest.approx(score.value, abs=1e-3)


@pytest.mark.parametrize("direction", ["from", "to"])
def test_the_place_reads_or_is_read_by_the_cell_as_the_direction_says(tiny_checkpoints, direction):
    at = {"row": 0.1875, "column": 0.8125, "source_row": 0.6875, "source_column": 0.3125}
    shares = {name: str(share) for name, share in at.items()}
    app = opened("heads", layer="2.1", heads="1", direction=direction, **shares)
    network = load("tiny_gsa")
    crop = network.preprocess.crop(open_picture(gallery.FOLDER / "panda_0021.jpg"))
    recorded = record(network.model, network.preprocess.tensor(crop))
    layer, cells = recorded["2.1"], np.array(list(at.values())) * recorded.grid("2.1").rows
    here, there = (tuple(cell) for cell in cells.astype(int).reshape(2, 2).tolist())
    query, source = (here, there) if direction == "from" else (there, here)
    lead = TEXT["weight_lead"].format(
        head=2, query_row=query[0] + 1, query_column=query[1] + 1,
        source_row=source[0] + 1, source_column=source[1] + 1,
        query_mark="square" if query == here else "dot",  # the square is round the chosen place
        source_mark="square" if source == here else "dot",
    )  # fmt: skip
    assert lead in [each.value for each in app.caption]
    totals = [each.body for each in app.get("html") if "class='weight'" in each.body]
    for kind, total in zip(maps.branches(layer), totals, strict=True):
        weight = maps.branch_map(layer, kind, Cells.at(*query))[(1, *source)]
        assert f"{kind} weight {weight:+.6f}" in total


def test_offsets_are_those_of_the_embeddings_that_are_read(recording):
    layer, query, source = recording["2.1"], (3, 5), (9, 2)
    weight = positional_weight(layer, 2, query, source)
    for score, embeddings in ((weight.row, layer.r_r), (weight.column, layer.r_c)):
        middle = len(embeddings) // 2  # that of no offset
        np.testing.assert_array_equal(score.r, embeddings[middle + score.offset])
