"""Learning from teachers: the loss, what is refused, and what a card says of it."""

import math
from dataclasses import replace

import pytest
import torch

import gsa.train
from gsa.ablation import Ablation, Variant
from gsa.checkpoints import load
from gsa.data import open_split
from gsa.distillation import Teachers
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe, RecipeError, read_recipe
from gsa.run import Run, launched
from gsa.train import train
from tests.conftest import photo

CLASSES = ("one", "two")
TEACHERS = ("first_gsa", "first_conv")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes of pictures, and a pair of tiny networks that learned them."""
    root = tmp_path_factory.mktemp("taught")
    for split, count in (("train", 8), ("val", 2)):
        for class_ in CLASSES:
            (root / split / class_).mkdir(parents=True)
            for n in range(count):
                photo(36, 36, seed=n).save(root / split / class_ / f"{n}.png")
    for mixer in ("gsa", "conv"):
        train(recipe_of(root, "first"), mixer, None, root / "runs", root / "out")
    return root


def recipe_of(root, pair, **changes):
    """One epoch of a tiny network."""
    first = Recipe(
        pair, str(root), "resnet14_tiny", 32, 1, batch_size=4, hold_out=0.25, ema=0.0,
        warmup=0.0, precision="32-true",
    )  # fmt: skip
    return replace(first, **changes)


def taught(root, pair="taught", **changes):
    recipe = recipe_of(root, pair, **{"teachers": TEACHERS, **changes})
    return train(recipe, "conv", None, root / "runs", root / "out")


def teachers_of(root, **changes):
    recipe = recipe_of(root, "taught", **changes)
    checkpoints = [load(f"first_{mixer}", root / "out") for mixer in ("gsa", "conv")]
    return Teachers(checkpoints, CLASSES, Preprocess(32), recipe, launched(recipe, 1)), checkpoints


def test_teachers_say_the_mean_of_their_softened_predictions(root):
    teachers, checkpoints = teachers_of(root, teacher_temperature=3.0)
    x = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        each = [(checkpoint.model(x) / 3).softmax(1) for checkpoint in checkpoints]
    assert torch.allclose(teachers.say(x), (each[0] + each[1]) / 2, atol=1e-5)


def test_the_loss_shares_labels_and_teachers_as_in_the_paper(root):
    teachers, _ = teachers_of(root, teacher_share=0.3, teacher_temperature=2.0)
    x, logits, label_loss = torch.randn(5, 3, 32, 32), torch.randn(5, 2), torch.tensor(1.5)
    p, q = teachers.say(x), (logits / 2).softmax(1)
    apart = (p * (p / q).log()).sum(1).mean()
    expected = 0.7 * 1.5 + 0.3 * 4 * apart
    assert torch.allclose(teachers.mixed(label_loss, logits, x), expected, atol=1e-5)


def test_who_says_what_the_teachers_say_has_no_loss_by_them(root):
    teachers, _ = teachers_of(root, teacher_share=1.0, teacher_temperature=2.0)
    x = torch.randn(5, 3, 32, 32)
    logits = (2 * teachers.say(x).log()).requires_grad_()
    loss = teachers.mixed(torch.tensor(9.0), logits, x)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


def test_teachers_change_what_is_learned_and_the_card_names_their_weights(root):
    card = taught(root)
    of = [load(f"first_{mixer}", root / "out").card.sha256 for mixer in ("gsa", "conv")]
    assert card.training["teachers_sha256"] == of
    assert card.recipe["teachers"] == ["first_gsa", "first_conv"]
    alone = taught(root, "alone", teachers=())
    assert "teachers_sha256" not in alone.training
    assert alone.sha256 != card.sha256
    assert taught(root, "by_labels", teacher_share=0.0).sha256 == alone.sha256


HARD = {"epochs": 2, "mixup": 0.2, "cutmix": 1.0, "early_size": 32, "early_epochs": 1, "size": 64}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_that_is_stopped_goes_on_to_the_same_weights(root, monkeypatch, precision):
    changes = {**HARD, "precision": precision}
    whole = taught(root, f"whole_{precision}", **changes)
    steps = []
    step = Run._learn

    def stopped(run, *batch):
        if len(steps) == 4:  # of six: in the second epoch
            raise KeyboardInterrupt
        steps.append(step(run, *batch))
        return steps[-1]

    recipe = recipe_of(root, f"parts_{precision}", teachers=TEACHERS, **changes)
    arguments = (recipe, "conv", None, root / "runs", root / "out")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_learn", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(*arguments, save_every=1)
    parts = train(*arguments, save_every=1)
    assert parts.sha256 == whole.sha256
    assert parts.training["teachers_sha256"] == whole.training["teachers_sha256"]


def test_a_state_is_gone_on_with_under_its_own_teachers_alone(root):
    card = taught(root, "again")
    assert taught(root, "again").sha256 == card.sha256
    path = root / "runs" / "again_conv" / "state.pt"
    state = torch.load(path, weights_only=True)
    state["identity"]["teachers"] = ("earlier", "weights")
    torch.save(state, path)
    with pytest.raises(ValueError, match="again_conv/state.pt' belongs to other teachers; choose"):
        taught(root, "again")


def test_teachers_that_know_other_classes_are_refused(root):
    recipe = recipe_of(root, "taught")
    checkpoints = [load("first_conv", root / "out")]
    with pytest.raises(ValueError, match="'first_conv' has other classes than the data"):
        Teachers(checkpoints, CLASSES[::-1], Preprocess(32), recipe, launched(recipe, 1))
    with pytest.raises(ValueError, match="'first_conv' takes its pictures with another mean"):
        Teachers(checkpoints, CLASSES, Preprocess(32, mean=(0, 0, 0)), recipe, launched(recipe, 1))
    with pytest.raises(ValueError, match="there is no checkpoint 'nobody'"):
        taught(root, "lost", teachers=("nobody",))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"teachers": "first_conv"}, r"`teachers` \(='first_conv'\) must be a list of names"),
        ({"teachers": ["a", "a"]}, r"`teachers` \(=\['a', 'a'\]\) must name each checkpoint once"),
        ({"teacher_share": 1.1}, r"`teacher_share` \(=1.1\) must be from 0 to 1"),
        ({"teacher_temperature": 0.0}, r"`teacher_temperature` \(=0.0\) must be from 0.01 to"),
        (
            {"teacher_temperature": math.inf},
            r"`teacher_temperature` \(=inf\) must be a finite number",
        ),
        ({"teachers": ["a", "taught_conv"]}, "must not name 'taught_conv', which this recipe make"),
    ],
)
def test_a_recipe_with_teachers_says_what_is_wrong(root, changes, sentence):
    with pytest.raises(RecipeError, match=sentence):
        recipe_of(root, "taught", **changes)


@pytest.mark.parametrize("value", ["'first_conv'", "3", "true", "[1]", "[['a']]"])
def test_teachers_in_a_file_are_a_list_of_names(root, tmp_path, value):
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"pair = 'a'\ndata = '{root}'\nnetwork = 'resnet14_tiny'\nsize = 32\nepochs = 1\n"
        f"teachers = {value}\n"
    )
    with pytest.raises(RecipeError, match=r"`teachers` \(=.*\) must be a list of names of check"):
        read_recipe(path)


def test_a_run_has_the_teachers_that_its_recipe_names(root):
    recipe, split = recipe_of(root, "taught", teachers=TEACHERS), open_split(str(root), "train")
    with pytest.raises(ValueError, match=r"`teachers` of the recipe \(=\['first_gsa', 'first_co"):
        Run(recipe, "conv", split, split, root / "runs" / "none")
    alone, one = replace(recipe, teachers=()), [load("first_conv", root / "out")]
    with pytest.raises(ValueError, match=r"are not those at hand \(\['first_conv'\]\)"):
        Run(alone, "conv", split, split, root / "runs" / "none", teachers=one)


def test_a_further_seed_holds_out_what_the_teachers_had_held_out(root):
    recipe = recipe_of(root, "seeds", teachers=TEACHERS)
    held = []
    fit = gsa.train.fit_temperature

    def noted(checkpoint, split):
        held.append(split.places)
        return fit(checkpoint, split)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gsa.train, "fit_temperature", noted)
        for seed in (0, 1):
            train(recipe, "conv", None, root / "runs", root / "out", seed=seed)
    assert held[0] == held[1]
    for changes in ({"seed": 1}, {"hold_out": 0.5}):
        sentence = "'first_gsa', a start or a teacher, has learned pictures that are held out here"
        with pytest.raises(ValueError, match=sentence):
            taught(root, "other", **changes)


def test_an_ablation_has_no_teachers(root):
    recipe = recipe_of(root, "taught", teachers=("first_conv",))
    with pytest.raises(RecipeError, match=r"`teachers` \(=\['first_conv'\]\) must be empty"):
        Ablation(recipe, (Variant("conv", "conv", {}),))
