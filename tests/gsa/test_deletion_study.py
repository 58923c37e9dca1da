"""Attributions over many pictures: what passes, what beats what, and how it is told."""

import json

import pytest

from gsa import deletion_study
from gsa.__main__ import main
from gsa.attribution import attribute
from gsa.baselines import CONTROLS
from gsa.checkpoints import load
from gsa.deletion_study import Judged, judge, summary
from gsa.evaluate import wilson
from gsa.faithfulness import by_chance, deletion
from gsa.record import record
from tests.conftest import noise, photo


@pytest.fixture(scope="module", params=["tiny_gsa", "tiny_conv"])
def checkpoint(request, checkpoint_folder):
    return load(request.param, checkpoint_folder)


def test_a_row_says_what_the_test_of_its_map_gives(checkpoint):
    x = noise()
    rows = judge(checkpoint, "noise", x, ["middle", "saliency"])
    assert [row.method for row in rows] == ["saliency", *CONTROLS]
    sure = record(checkpoint.model, x).probabilities(checkpoint.card.temperature)
    target = int(sure.argmax())
    chance = by_chance(checkpoint, x, target)
    areas = {
        row.method: deletion(
            checkpoint, x, target, attribute(checkpoint, x, target, row.method).values
        ).area
        for row in rows
    }
    for row in rows:
        assert (row.checkpoint, row.mixer) == (checkpoint.card.name, checkpoint.card.mixer)
        assert (row.picture, row.label) == ("noise", checkpoint.labels[target])
        assert row.probability == pytest.approx(sure[target], abs=1e-6)
        assert row.area == pytest.approx(areas[row.method], abs=1e-6)
        assert row.random_area == pytest.approx(chance.area, abs=1e-6)
        assert row.beaten == pytest.approx((areas[row.method] < chance.areas).mean())
        smaller = {other for other in CONTROLS if areas[row.method] < areas[other]}
        assert set(row.beats) == smaller


def row(picture, method, area, beaten, *beats):
    return Judged("n", "gsa", picture, "cat", 0.9, method, area, 0.5, beaten, beats)


def test_to_pass_is_to_beat_all_that_know_no_network():
    assert row("a", "saliency", 0.1, 1.0, "edges", "middle").passed
    assert not row("a", "saliency", 0.1, 15 / 16, "edges", "middle").passed
    assert not row("a", "saliency", 0.1, 1.0, "middle").passed
    assert row("a", "edges", 0.1, 1.0, "middle").passed  # it need not beat itself


def test_a_summary_is_over_the_pictures_of_a_method():
    rows = [
        row("a", "saliency", 0.2, 1.0, "edges", "middle"),
        row("a", "edges", 0.3, 0.5),
        row("b", "saliency", 0.4, 0.5, "middle"),
        row("b", "edges", 0.1, 1.0, "middle"),
    ]
    saliency, edges = summary(rows)
    assert (saliency["method"], saliency["n"], edges["method"]) == ("saliency", 2, "edges")
    assert saliency["area"] == pytest.approx(0.3)
    assert saliency["random_area"] == 0.5
    assert saliency["beaten"] == 0.75
    assert saliency["beats"] == {"edges": 0.5, "middle": 1.0}
    assert edges["beats"] == {"middle": 0.5}
    assert saliency["passed"] == 0.5
    assert saliency["interval"] == wilson(0.5, 2)


def test_an_unknown_method_is_refused_before_the_others_are_made(checkpoint, monkeypatch):
    monkeypatch.setattr(deletion_study, "attribute", None)
    with pytest.raises(ValueError, match=r"`method` \(='magic'\) must be one of"):
        judge(checkpoint, "noise", noise(), ["saliency", "magic"])


def test_the_command_asks_both_twins_about_the_first_pictures(tiny_checkpoints, tmp_path, capsys):
    for n in range(3):
        photo(70, 64, seed=n).save(tmp_path / f"{n}.png")
    asked = ["deletion", "--pictures", str(tmp_path), "--count", "2", "--methods", "saliency"]
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(test["checkpoint"], test["picture"]) for test in found["tests"]} == {
        (name, file) for name in ("tiny_gsa", "tiny_conv") for file in ("0.png", "1.png")
    }
    weights = {name: load(name).card.sha256 for name in ("tiny_gsa", "tiny_conv")}
    assert found["protocol"]["weights_sha256"] == weights
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(found["methods"])
    for line, each in zip(lines[2:], found["methods"], strict=True):
        assert line.split()[:3] == [each["mixer"], each["method"], f"{each['area']:.3f}"]
        assert f"{each['passed']:.0%} (" in line


def test_the_command_says_what_is_wrong(tiny_checkpoints, tmp_path, capsys):
    for arguments, sentence in (
        (["--count", "0"], "`count` (=0) must be at least 1"),
        (["--pictures", str(tmp_path)], "there are no pictures in"),
        (["--methods", "magic"], "`method` (='magic') must be one of"),
        (["--checkpoint", "nobody"], "there is no checkpoint 'nobody'"),
    ):
        assert main(["deletion", *arguments]) == 2
        assert sentence in capsys.readouterr().err
