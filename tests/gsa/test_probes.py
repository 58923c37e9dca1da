import json
from itertools import combinations

import numpy as np
import pytest
from torch import nn

from gsa import probes
from gsa.__main__ import main
from gsa.probes import BINS, FARTHEST, MARK, NEAREST, SIDE, TASKS, Probe, fitting


def parts(picture):
    """Number of connected bright parts, corners not touching."""
    left = {tuple(at) for at in np.argwhere(picture > 0.9)}
    count = 0
    while left:
        count += 1
        stack = [left.pop()]
        while stack:
            row, column = stack.pop()
            for near in (
                (row + 1, column),
                (row - 1, column),
                (row, column + 1),
                (row, column - 1),
            ):
                if near in left:
                    left.remove(near)
                    stack.append(near)
    return count


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("distance", [NEAREST, 20.0, FARTHEST])
def test_every_task_can_be_drawn_at_every_distance(task, distance):
    rng = np.random.default_rng(0)
    for yes in (True, False):
        for _ in range(20):
            picture = TASKS[task](rng, distance, yes)
            assert picture.shape == (SIDE, SIDE)
            assert picture.any()


def test_marks_are_as_far_apart_as_asked_and_alike_as_answered():
    rng = np.random.default_rng(1)
    for distance in (10.0, 25.0, FARTHEST):
        for yes in (True, False):
            picture = probes.draw_same(rng, distance, yes)
            assert parts(picture) == 2
            assert picture.sum() == 2 * MARK * (MARK - 2)
            # two bars of one kind have the same outline wherever they lie
            tall = sum(
                1
                for row in range(SIDE - MARK + 1)
                for column in range(SIDE - MARK + 3)
                if picture[row : row + MARK, column : column + MARK - 2].all()
            )
            assert (tall != 1) == yes


def corners(picture):
    """The top left corners of upright bars."""
    tall, wide = MARK, MARK - 2
    return [
        np.array((row, column))
        for row in range(SIDE - tall + 1)
        for column in range(SIDE - wide + 1)
        if picture[row : row + tall, column : column + wide].all()
    ]


@pytest.mark.parametrize("distance", [NEAREST, 20.0, FARTHEST])
def test_the_number_of_bars_is_even_or_odd_as_answered(distance):
    rng = np.random.default_rng(2)
    for yes, counts in ((True, {2, 4}), (False, {3})):
        drawn = [probes.draw_count(rng, distance, yes) for _ in range(20)]
        assert {picture.sum() / (MARK * (MARK - 2)) for picture in drawn} == counts
        for picture in drawn:
            bars = corners(picture)
            apart = np.array([[np.hypot(*(one - other)) for other in bars] for one in bars])
            assert any(  # two that are so far apart, and no other farther from either
                apart[one, other] == pytest.approx(distance, abs=0.75)  # whole pixels
                and apart[[one, other]].max() <= max(distance, apart[one, other])
                for one, other in combinations(range(len(bars)), 2)
            )


@pytest.mark.parametrize("yes", [True, False])
def test_the_ends_of_a_path_are_alike_as_answered(yes, monkeypatch):
    corners = np.array([10, 8]), np.array([30, 35])
    monkeypatch.setattr(probes, "_pair", lambda *_: corners)
    rng = np.random.default_rng(4)
    for _ in range(20):
        picture = probes.draw_path(rng, 20.0, yes)
        ends = [picture[row : row + MARK, column : column + MARK] == 1 for row, column in corners]
        assert all(end.sum() == MARK * (MARK - 2) for end in ends)
        assert np.array_equal(*ends) == yes


@pytest.mark.parametrize("yes", [True, False])
def test_a_line_goes_on_behind_its_wall_as_answered(yes):
    rng = np.random.default_rng(5)
    for _ in range(20):
        picture = probes.draw_line(rng, 20.0, yes)
        before, behind = picture[:, [0, -1]].T  # of a lying line
        if before.sum() != 2:
            before, behind = picture[[0, -1]]
        assert before.sum() == behind.sum() == 2
        assert np.array_equal(before, behind) == yes
        assert (picture == 0.5).sum() == 20 * SIDE  # nothing is seen through the wall


def test_no_answer_can_be_read_off_one_line_by_itself():
    """Each of the two lies in all rows alike, whether they are one or not."""
    rng = np.random.default_rng(6)
    found = {True: [], False: []}
    for yes, rows in found.items():
        while len(rows) < 1500:
            picture = probes.draw_line(rng, 20.0, yes)
            if picture[:, 0].sum() == 2:  # of a lying line
                rows.append([int(np.argmax(picture[:, side])) for side in (0, -1)])
    for part in (0, 1):
        counts = {yes: np.bincount(np.array(rows)[:, part]) for yes, rows in found.items()}
        most = max(map(len, counts.values()))
        yes, no = (np.pad(each, (0, most - len(each))) for each in counts.values())
        assert np.array_equal(yes > 0, no > 0)
        # what the best rule on one line is right in, beyond a guess: chance alone gives 2 %
        assert np.abs(yes - no).sum() / (4 * 1500) < 0.05


@pytest.mark.parametrize("task", probes.SUMMED_AT_BEST)
def test_a_threshold_on_a_sum_over_the_marks_is_right_in_three_cases_of_four(task, monkeypatch):
    drawn = []
    monkeypatch.setattr(probes, "_mark", lambda _, __, upright: drawn.append(upright))
    rng = np.random.default_rng(8)
    answers = np.arange(2000) % 2 == 0
    sums = []
    for yes in answers:
        drawn.clear()
        TASKS[task](rng, 20.0, bool(yes))
        sums.append(sum(drawn[:2]))  # of a path the third bar stands aside, and is told by that
    right = [((np.array(sums) >= level) == answers).mean() for level in range(6)]
    assert max(*right, 1 - min(right)) == pytest.approx(probes.SUMMED_AT_BEST[task], abs=0.03)


@pytest.mark.parametrize("task", TASKS)
def test_examples_are_of_both_answers_near_and_far(task):
    found = probes.examples(task)
    settings = [(NEAREST, True), (NEAREST, False), (FARTHEST, True), (FARTHEST, False)]
    assert [each[:2] for each in found] == settings
    for (*_, picture), (*_, again) in zip(found, probes.examples(task), strict=True):
        assert picture.shape == (SIDE, SIDE)
        assert np.array_equal(picture, again)


@pytest.mark.parametrize("task", TASKS)
def test_no_answer_can_be_read_off_the_brightness(task):
    x, answers = probes.pictures(task, 1000, np.random.default_rng(3), 12, 30)
    means = x[:, 0].mean((1, 2))
    one_bar = 3 * MARK * (MARK - 2) / SIDE**2
    assert abs(means[answers == 1].mean() - means[answers == 0].mean()) < 0.3 * one_bar
    assert 0.45 < answers.float().mean() < 0.55


def test_the_conv_twin_cannot_see_the_farthest_bins():
    probe = Probe()
    assert probe.sees("gsa") is None
    level, longest = fitting("same", 20)
    assert (level + MARK, longest**2) == (20, pytest.approx(2 * level**2))
    assert fitting("line", 20) == (18, 18)  # and a pixel of the line on either side
    assert probe.sees("conv") < BINS[-2][0] + MARK  # both marks whole
    assert probe.sees("conv") > BINS[0][1]
    assert (BINS[0][0], BINS[-1][1]) == (NEAREST, FARTHEST)


def test_a_run_reports_every_step_and_measures_at_its_end():
    steps = list(probes.run(Probe(steps=6, batch=4, tests=8), "conv"))
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6, 6]
    assert [bool(step.accuracy) for step in steps] == 6 * [False] + [True]
    assert len(steps[-1].accuracy) == len(BINS)
    again = list(probes.run(Probe(steps=6, batch=4, tests=8), "conv"))
    assert [step.loss for step in again] == [step.loss for step in steps]


def test_nothing_trains_on_after_the_caller_stops(monkeypatch):
    calls = []
    right = nn.functional.cross_entropy
    monkeypatch.setattr(nn.functional, "cross_entropy", lambda *a: calls.append(1) or right(*a))
    steps = probes.run(Probe(steps=50, batch=2), "conv")
    next(steps)
    steps.close()
    assert len(calls) == 1


def test_gsa_solves_what_its_twin_can_only_guess():
    probe = Probe(steps=80, width=16, batch=32, tests=60)
    accuracy = {
        mixer: [right for right, _, _ in [*probes.run(probe, mixer)][-1].accuracy]
        for mixer in ("gsa", "conv")
    }
    assert min(accuracy["gsa"]) > 0.9
    assert max(accuracy["conv"][-2:]) < 0.7


def test_bad_probes_get_a_sentence():
    with pytest.raises(ValueError, match="no task 'chess'"):
        Probe("chess")
    with pytest.raises(ValueError, match="`steps`"):
        Probe(steps=5)


def test_the_command(capsys):
    assert main(["probe", "same", "--steps", "6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["mixer"] for row in found} == {"gsa", "conv"}
    assert all(len(row["accuracy"]) == len(BINS) for row in found)
    assert main(["probe", "chess"]) == 2
    assert "no task 'chess'" in capsys.readouterr().err
