"""Training: what is refused, and stopped, in a sentence."""

import math
import urllib.error
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gsa.__main__ import main
from gsa.data import open_split
from gsa.recipe import read_recipe
from gsa.run import Run, launched
from gsa.split import Split
from gsa.train import train
from tests.conftest import photo
from tests.gsa import test_train

folder = test_train.folder


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"gsa": {"query_gian": 1.0}}, "query_gian"),
        (
            {"gsa": {"mixers": ["gsa", "gsa", "conv", "conv"]}},
            "makes no gsa network but a mixed one",
        ),
        (
            {"gsa": {"widths": [8, 8, 8, 8]}},
            "`gsa` must not set 'widths': twins differ in the mixer",
        ),
        ({"network": "gsa_resnet14_tiny"}, "there is no preset 'gsa_gsa_resnet14_tiny'"),
        ({"init_from": "nobody"}, "there is no checkpoint 'nobody_conv'"),
    ],
)
def test_what_would_fail_for_one_twin_is_found_before_the_other_is_trained(
    folder, tmp_path, monkeypatch, capsys, changes, sentence
):
    monkeypatch.setattr("gsa.train.train", lambda *_, **__: pytest.fail("it trains"))
    recipe = replace(read_recipe(folder / "recipe.toml"), **changes)
    monkeypatch.setattr("gsa.recipe.read_recipe", lambda _: recipe)
    assert main(["train", "r.toml", "--out", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err


def test_gradients_that_are_not_finite_stop_the_training(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "lightning_fabric.Fabric.clip_gradients", lambda *_, **__: torch.tensor(math.inf)
    )
    recipe = read_recipe(folder / "recipe.toml")
    with pytest.raises(ValueError, match="the norm of the gradient is inf at step 0; training st"):
        train(recipe, "conv", None, tmp_path, tmp_path)


def test_a_batch_larger_than_the_data_is_refused(folder, tmp_path):
    recipe = replace(read_recipe(folder / "recipe.toml"), batch_size=99)
    with pytest.raises(ValueError, match=r"`batch_size` \(=99\) exceeds the 48 training pictures"):
        train(recipe, "conv", None, tmp_path, tmp_path)


def test_pictures_that_do_not_fit_into_memory_are_refused_before_decoding(
    folder, tmp_path, monkeypatch
):
    recipe = read_recipe(folder / "recipe.toml")
    # of 36 x 40 pixels, which are fewer than crops of 32 pixels may choose from
    learned, held = 48 * 3 * 36 * 40, 12 * 3 * 32 * 32
    decoded = []
    right = Split.decoded
    monkeypatch.setattr(
        Split, "decoded", lambda split, side: decoded.append(len(split)) or right(split, side)
    )
    monkeypatch.setattr("gsa.run.memory", lambda: 2 * (learned + held) - 1)
    with pytest.raises(ValueError, match=r"the 60 pictures of .* more than 50% of the memory"):
        train(recipe, "conv", None, tmp_path, tmp_path)
    assert decoded == [recipe.batch_size]
    monkeypatch.setattr("gsa.run.memory", lambda: 2 * (learned + held))
    train(replace(recipe, epochs=1, restart=()), "conv", None, tmp_path, tmp_path)


def test_data_without_a_val_split_of_its_own_is_refused(folder, tmp_path):
    recipe = replace(read_recipe(folder / "recipe.toml"), data=str(folder / "train"))
    with pytest.raises(ValueError, match="has no `train` and `val` folders of its own"):
        train(recipe, "conv", None, tmp_path, tmp_path)


def test_other_classes_to_evaluate_are_refused_before_training(folder, tmp_path):
    for split, classes in (("train", ("red", "blue")), ("val", ("red", "green"))):
        for class_ in classes:
            (tmp_path / split / class_).mkdir(parents=True)
            photo(36, 36).save(tmp_path / split / class_ / "1.png")
    recipe = replace(read_recipe(folder / "recipe.toml"), data=str(tmp_path))
    with pytest.raises(ValueError, match="`val` has 2 classes and `train` 2; `val` alone has 'gr"):
        train(recipe, "conv", None, tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "runs").exists()


def test_an_error_without_a_file_gets_a_sentence(monkeypatch, capsys, tmp_path):
    def unreachable(*arguments, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("gsa._training_commands.write_report", unreachable)
    assert main(["report", "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "no route to host" in error
    assert "None" not in error


def test_devices_that_are_not_there_or_do_not_divide_a_batch_are_refused(folder, tmp_path):
    recipe = read_recipe(folder / "recipe.toml")
    with pytest.raises(ValueError, match=r"`devices` \(=0\) must be from 1 to"):
        launched(recipe, 0)
    with pytest.raises(ValueError, match=r"`devices` \(=5000\) must be from 1 to"):
        launched(recipe, 5000)
    three = SimpleNamespace(world_size=3)
    split = open_split(str(folder), "train")
    with pytest.raises(ValueError, match=r"`batch_size` \(=8\) must be a multiple of the 3 dev"):
        Run(recipe, "conv", split, split, tmp_path, fabric=three)
