"""The commands that train and judge: where they read, and what they write over."""

import json

import pytest

from gsa.__main__ import main
from gsa.baselines import untrained
from gsa.card import Card
from gsa.checkpoints import save
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe, read_recipe
from gsa.train import train
from tests.conftest import photo

RECIPE = """
pair = "tuned"
data = "{data}"
network = "resnet14_tiny"
size = 32
epochs = 1
batch_size = 3
hold_out = 0.25
precision = "32-true"
init_from = "start"
"""


@pytest.fixture
def root(tmp_path):
    """Two classes of pictures with a recipe."""
    for split, count in (("train", 6), ("val", 2)):
        for class_ in ("one", "two"):
            (tmp_path / split / class_).mkdir(parents=True)
            for n in range(count):
                photo(36, 36, seed=n).save(tmp_path / split / class_ / f"{n}.png")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(data=tmp_path.as_posix()))
    return tmp_path


def write_start(recipe: Recipe, folder, seed):
    """A checkpoint to start from; returns its sha256."""
    card = Card("start_conv", "start", recipe.config("conv", 2), Preprocess(32), ("one", "two"))
    return save(untrained(card, seed=seed).model, card, folder).sha256


def test_a_start_is_looked_for_beside_what_is_made_and_then_among_all(root, monkeypatch):
    recipe = read_recipe(root / "recipe.toml")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(root / "all"))

    def used(out):
        return train(recipe, "conv", None, root / out / "runs", root / out).training["start_sha256"]

    with pytest.raises(ValueError, match=r"there is no folder .*all' of checkpoints"):
        used("nowhere")
    (root / "all").mkdir()
    with pytest.raises(ValueError, match="there is no checkpoint 'start_conv'; there are: none"):
        used("nowhere")
    among_all = write_start(recipe, root / "all", 1)
    assert used("elsewhere") == among_all
    assert [path.name for path in (root / "all").glob("*.safetensors")] == [
        "start_conv.safetensors"
    ]
    beside = write_start(recipe, root / "own", 2)
    assert beside != among_all
    assert used("own") == beside


def test_a_folder_for_weights_that_cannot_be_made_is_found_before_training(root, capsys):
    recipe = (root / "recipe.toml").read_text().replace("start", "")
    (root / "recipe.toml").write_text(recipe)
    arguments = ["train", str(root / "recipe.toml"), "--runs", str(root / "runs")]
    assert main([*arguments, "--out", str(root / "recipe.toml")]) == 2
    assert "recipe.toml' cannot be used" in capsys.readouterr().err
    assert not (root / "runs").exists()


@pytest.mark.parametrize("command", ["train", "shares"])
def test_help_tells_what_is_written_over(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path / "100%"))
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = "".join(capsys.readouterr().out.split())
    assert "replace" in told
    assert f"default:{'wherecheckpointsarelookedfor,' if command == 'train' else ''}{tmp_path}" in (
        told
    )


def test_the_study_of_shares_is_written_into_a_new_folder(root, tiny_checkpoints, capsys):
    arguments = ["shares", "tiny_gsa", str(root), "--pictures", "1", "--seeds", "1"]
    out = root / "new" / "dir.json"
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    assert json.loads(out.read_text()) == json.loads(capsys.readouterr().out)
    assert [path.name for path in out.parent.iterdir()] == ["dir.json"]


def test_a_study_that_cannot_be_written_is_not_made(root, tiny_checkpoints, monkeypatch, capsys):
    monkeypatch.setattr("gsa.shares.study", None)
    arguments = ["shares", "tiny_gsa", str(root), "--out"]
    assert main([*arguments, str(root)]) == 2
    assert "is a folder; name a file for the results" in capsys.readouterr().err
    assert main([*arguments, str(root / "recipe.toml" / "x.json")]) == 2
    assert "recipe.toml' is a file; name a folder for the results" in capsys.readouterr().err
    assert main([*arguments, "/proc/x.json"]) == 2  # a folder that is there, and takes no file
    assert "gsa: '/proc' cannot be used" in capsys.readouterr().err


def test_help_names_every_default(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "ratios of each pair; default: 7" in told  # as its value
    assert "--threads N default: 1" in told  # without other words
    assert "inputs of the networks; default: that of the paper" in told  # in words of its own
    assert "show this help message and exit" in told
    assert "SUPPRESS" not in told
