import json
from dataclasses import replace
from pathlib import Path

import pytest

from gsa.recipe import Recipe, RecipeError, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(set(RECIPES.glob("*.toml")) - {RECIPES / "ablation.toml"})  # has variants
NEEDED = 'pair = "p"\ndata = "d"\nnetwork = "resnet14_tiny"\nsize = 64\nepochs = 2\n'


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_a_shipped_recipe_makes_twins(path):
    recipe = read_recipe(path)
    gsa, conv = recipe.config("gsa", 7), recipe.config("conv", 7)
    assert (gsa.mixer, conv.mixer) == ("gsa", "conv")
    assert (gsa.blocks, gsa.widths, gsa.input_size) == (conv.blocks, conv.widths, conv.input_size)


def test_there_is_a_recipe():
    assert SHIPPED


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (NEEDED + "speed = 3", "a recipe has no field 'speed'"),
        (NEEDED + "learning_rate = -1.0", "`learning_rate` (=-1.0) must be above 0"),
        (NEEDED + 'batch_size = "big"', "`batch_size` (='big') must be of type int"),
        (NEEDED + "ema = 1.0", "`ema` (=1.0) must be from 0 to below 1"),
        (NEEDED + "early_epochs = 1", "`early_size` (=0) must be from 32 to `size` (=64)"),
        (NEEDED.replace("64", "112"), "`size` (=112) must be a multiple of 32"),
        (NEEDED + "restart = 2", "`restart` (=[2]) must name rising epochs above 0 and below"),
        (NEEDED + "restart = -1", "`restart` (=[-1]) must name rising epochs above 0"),
        (NEEDED + "restart = [1, 1]", "`restart` (=[1, 1]) must name rising epochs"),
        (NEEDED + 'restart = ["1"]', "`restart` (=['1']) must be a list of epochs"),
        (NEEDED + 'precision = "int4"', "`precision` (='int4') must be one of"),
        (NEEDED + 'precision = "16-mixed"', "must be one of ('32-true', 'bf16-mixed')"),
        (NEEDED + 'augment = "auto"', "`augment` (='auto') must be one of ('', 'trivial', 'rand')"),
        (NEEDED + "erase = 1.5", "`erase` (=1.5) must be from 0 to 1"),
        (NEEDED + "seed = -1", "`seed` (=-1) must be from 0 to below 2^31"),
        (NEEDED + "seed = 99999999999999", "`seed` (=99999999999999) must be from 0 to below"),
        (NEEDED + "compile = 1", "`compile` (=1) must be of type bool"),
        (NEEDED + "warmup = nan", "`warmup` (=nan) must be a finite number"),
        (NEEDED + "clip = inf", "`clip` (=inf) must be a finite number"),
        (NEEDED + "mixup = inf", "`mixup` (=inf) must be a finite number"),
        (NEEDED.replace('"p"', '""'), "`pair` (='') must be a name of files"),
        (NEEDED.replace('"p"', '"../up"'), "`pair` (='../up') must be a name of files"),
        (NEEDED.replace('"p"', '"a/b"'), "`pair` (='a/b') must be a name of files"),
        (NEEDED.replace('"p"', r'"a\\b"'), r"`pair` (='a\\b') must be a name of files"),
        (NEEDED.replace('"p"', '".p"'), "`pair` (='.p') must be a name of files"),
        (NEEDED + "mixup = true", "`mixup` (=True) must be of type float"),
        ('pair = "p"', "is incomplete"),
        ("pair = ", "is not valid TOML"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_refused(tmp_path, text, sentence):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert sentence in str(caught.value)


def test_a_switch_is_read(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(NEEDED + "compile = true")
    assert read_recipe(path).compile is True


def test_a_restart_repeats_the_schedule_with_its_sizes():
    once = Recipe("p", "d", "n", 64, 6, early_size=48, early_epochs=4, warmup=1.0)
    twice = replace(once, epochs=12, restart=(6,))
    for epoch in range(6):
        for late in (epoch, epoch + 6):
            assert twice.size_at(late) == once.size_at(epoch)
            assert twice.learning_rate_at(late + 0.3) == pytest.approx(
                once.learning_rate_at(epoch + 0.3)
            )
    assert once.learning_rate_at(1.0) == once.learning_rate
    assert twice.learning_rate_at(6 - 1e-9) < 1e-6 * once.learning_rate
    longer = replace(once, epochs=16, restart=(6,))  # the second part ends with the run
    assert longer.learning_rate_at(11.5) == pytest.approx(once.learning_rate / 2)
    thrice = replace(longer, epochs=22, restart=(6, 16))
    assert thrice.learning_rate_at(11.5) == longer.learning_rate_at(11.5)
    for epoch in range(6):
        assert thrice.size_at(epoch + 16) == once.size_at(epoch)
        assert thrice.learning_rate_at(epoch + 16.3) == pytest.approx(
            once.learning_rate_at(epoch + 0.3)
        )


def test_a_restart_survives_json_and_the_single_number_of_older_cards():
    recipe = Recipe("p", "d", "n", 64, 9, restart=(3, 6))
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe("p", "d", "n", 64, 9, restart=3).restart == (3,)
    assert Recipe("p", "d", "n", 64, 9, restart=0).restart == ()


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match="nope.toml' cannot be read"):
        read_recipe(tmp_path / "nope.toml")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"colour": 3}, "a network has no field 'colour'"),
        ({"name": "x"}, "a network has no field 'name'"),
        ({"num_classes": 3}, "the table `gsa` of the recipe must not set 'num_classes' once more"),
    ],
)
def test_an_option_of_the_module_that_does_not_fit_is_refused(options, sentence):
    recipe = Recipe("p", "d", "resnet14_tiny", 64, 1, gsa=options)
    with pytest.raises(ValueError, match=sentence):
        recipe.config("gsa", 3)


def test_the_decay_of_the_average_rises_to_that_of_the_recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(NEEDED + "ema = 0.99")
    recipe = read_recipe(path)
    assert [recipe.ema_at(steps) for steps in (1, 8, 890, 10**6)] == [2 / 11, 0.5, 0.99, 0.99]


def test_both_twins_have_the_shape_of_the_recipe():
    shape = {"heads": 2, "widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1]}
    recipe = Recipe("p", "d", "resnet26_small", 64, 1, shape=shape)
    gsa, conv = recipe.config("gsa", 3), recipe.config("conv", 3)
    assert gsa.shape() == conv.shape()
    assert (gsa.heads, gsa.widths, gsa.blocks) == (2, (8, 8, 16, 16), (1, 1, 1, 1))
    assert (gsa.mixer, conv.mixer) == ("gsa", "conv")


def test_a_shape_that_would_tell_the_twins_apart_is_refused():
    recipe = Recipe("p", "d", "resnet26_small", 64, 1, shape={"mixers": ["conv"] * 4})
    with pytest.raises(ValueError, match="the table `shape` of the recipe must not set 'mixers'"):
        recipe.config("gsa", 3)


def test_epochs_made_in_python_are_whole_too():
    with pytest.raises(ValueError, match=r"`epochs` \(=1.5\) must be whole"):
        Recipe("p", "d", "resnet14_tiny", 64, 1.5)
