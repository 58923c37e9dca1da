import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from weakref import finalize

import pytest

from gsa import checkpoints, differences, robustness, samples
from gsa.__main__ import main
from gsa.data import DataError
from gsa.defaults import GALLERY
from gsa.differences import Answers, Differences
from gsa.samples import from_files, from_folder
from gsa.split import Split
from tests.conftest import photo


@pytest.fixture
def data(tmp_path, tiny_checkpoints) -> Path:
    for number, label in enumerate(("ant", "bee", "cat")):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        for seed in range(4):
            photo(seed=10 * number + seed).save(folder / f"{seed}.png")
    return tmp_path / "data"


def answers(name, right, guesses=None, confidence=None):
    n = len(right)
    return Answers(name, guesses or ("x",) * n, confidence or (0.5,) * n, right, 0.0)


def test_pictures_that_one_alone_gets_right():
    found = Differences(
        ("1", "2", "3", "4"), ("a", "a", "b", "b"),
        answers("one", (True, True, False, True)), answers("two", (True, False, True, False)),
    )  # fmt: skip
    assert found.only_first == [1, 3]
    assert found.only_second == [2]
    assert [(c.label, c.n, c.first, c.second) for c in found.classes()] == [
        ("a", 2, 2, 1), ("b", 2, 1, 1)
    ]  # fmt: skip


def test_pictures_of_one_name_are_told_apart_by_their_class():
    found = Differences(
        ("1.jpg", "1.jpg"), ("ant", "bee"),
        answers("one", (True, True)), answers("two", (False, False)),
    )  # fmt: skip
    first, second = found.to_dict()["networks"]
    assert (first["right_alone"], second["right_alone"]) == (["ant/1.jpg", "bee/1.jpg"], [])


@pytest.mark.parametrize(("a", "b", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 10, 2 / 2**10)])
def test_mcnemars_exact_test_has_known_values(a, b, p):
    n = a + b
    found = Differences(
        ("",) * n, ("",) * n,
        answers("one", (True,) * a + (False,) * b), answers("two", (False,) * a + (True,) * b),
    )  # fmt: skip
    assert found.p_value == pytest.approx(p)


def test_calibration_and_confusion():
    given = answers(
        "one", (True, False, False, True), ("a", "b", "b", "b"), (0.95, 0.91, 0.15, 1.0)
    )
    assert given.calibration() == [
        (0.15, 0, *differences.wilson(0, 1), 1),
        (pytest.approx(0.9533, abs=1e-3), 2 / 3, *differences.wilson(2 / 3, 3), 3),
    ]
    assert given.confused(("a", "a", "a", "b")) == [("a", "b", 2)]


def test_a_network_and_itself_do_not_differ(data):
    twin = checkpoints.load("tiny_gsa")
    sample = from_folder(twin.card, data)
    steps = list(differences.compare(twin, twin, sample))
    assert [share for share, _ in steps] == sorted(share for share, _ in steps)
    assert all(found is None for _, found in steps[:-1])
    found = steps[-1][1]
    assert found is not None
    assert found.only_first == found.only_second == []
    assert len(found.names) == 12
    assert found.first == found.second


def test_few_pictures_are_decoded_at_once(tiny_checkpoints):
    class Watched:
        """A container that knows how many of its pictures are still held."""

        held = most = 0

        @contextmanager
        def opened(self):
            def read(name):
                picture = photo(seed=int(name))
                self.held += 1
                self.most = max(self.most, self.held)
                finalize(picture, self.let_go)
                return picture

            yield read

        def let_go(self):
            self.held -= 1

    container = Watched()
    count = 3 * samples._DECODED
    sample = Split(tuple((container, str(at)) for at in range(count)), (0,) * count, ("ant",))
    twins = [checkpoints.load(name) for name in ("tiny_gsa", "tiny_conv")]
    *_, (_, found) = differences.compare(*twins, sample)
    assert found is not None
    assert len(found.first.right) == len(found.second.right) == count
    assert container.most <= 2 * samples._DECODED
    container.most = 0
    next(robustness.scores(twins, sample, ["shift"]))
    assert container.most <= 2 * samples._DECODED


def test_a_part_of_a_folder_is_spread_over_all_of_it(data):
    card = checkpoints.read_card("tiny_gsa")
    assert from_folder(card, data, 3).answers == ("ant", "bee", "cat")
    assert len(from_folder(card, data, 99)) == 12
    with pytest.raises(ValueError, match="`count`"):
        from_folder(card, data, 0)
    (data / "yak").mkdir()
    photo().save(data / "yak" / "1.png")
    with pytest.raises(DataError, match="'yak'"):
        from_folder(card, data)
    with pytest.raises(DataError):
        from_folder(card, data / "nowhere")


def test_gallery_files_are_found_by_their_class_in_any_spelling(tiny_checkpoints):
    card = replace(
        checkpoints.read_card("tiny_gsa"), classes=("airplane", "Joshua tree", "cougar", "d", "e")
    )
    files = sorted(GALLERY.glob("*.jpg"))[:4]
    classes = dict(zip(files, ("airplanes", "joshua tree", "cougar_body", "kangaroo"), strict=True))
    found = from_files(card, classes)
    assert found.answers == ("airplane", "Joshua tree", "cougar")
    assert found.names == tuple(path.name for path in files[:3])
    assert len(found) == 3


def test_nothing_to_compare_gets_a_sentence(tiny_checkpoints):
    twin = checkpoints.load("tiny_gsa")
    with pytest.raises(ValueError, match="no picture"):
        next(differences.compare(twin, twin, Split((), (), ())))


def test_the_commands(capsys, data):
    assert main(["differ", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["checkpoint"] for row in found["networks"]] == ["tiny_gsa", "tiny_conv"]
    assert found["n"] == 12
    for row in found["networks"]:
        bins = row["calibration"]
        assert sum(each["n"] for each in bins) == 12
        assert sum(each["n"] * each["right"] for each in bins) / 12 == pytest.approx(row["top1"])
        assert all(0 < each["confidence"] <= 1 for each in bins)
    assert main(["stress", str(data), "--tests", "shift", "--count", "3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 10
    assert main(["stress", str(data), "--tests", "melt"]) == 2
    assert "no test 'melt'" in capsys.readouterr().err
    for command in ("stress", "differ"):
        assert main([command, str(data), "--count", "1"]) == 0
        assert "1 pictures" not in capsys.readouterr().out
