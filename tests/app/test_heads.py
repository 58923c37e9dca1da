"""One weight, taken apart on the page: every number that makes it."""

import re

import pytest

from app.one_weight import content_weight, positional_weight
from app.sections import heads
from tests.app.test_pages import opened


def lists(app):
    """The terms of each sum, and what is said of the whole, of the equations on the page."""
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
    assert len(content) == 1
    assert len(positional) == 2  # the row step, the column step
    assert all("ρ" in line for line in content[0] if "×" in line)
    for step in positional:
        assert all("× r" in line for line in step if "×" in line)


def test_listed_terms_sum_to_the_scores(recording):
    layer, query, source = recording["2.1"], (3, 5), (9, 2)
    content = content_weight(layer, 2, query, source)
    lines = heads._channels("content_term", content.q, content.rho)
    assert sum(map(value, lines)) == pytest.approx(content.weight, abs=1e-5)
    positional = positional_weight(layer, 2, query, source)
    for score in (positional.row, positional.column):
        lines = heads._channels("positional_term", score.q, score.r)
        assert len(lines) == min(len(score.q), heads._TERMS + 1)
        assert sum(map(value, lines)) == pytest.approx(score.value, abs=1e-4)
