"""One weight, taken apart on the page: every number that makes it."""

import re

import pytest

from app.one_weight import content_weight, positional_weight
from app.sections import heads
from tests.app.test_pages import opened


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
