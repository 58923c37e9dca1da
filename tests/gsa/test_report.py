"""The page of the checkpoints: what it says of cards made up for the purpose."""

import hashlib
import json
import math
import re
from dataclasses import replace
from functools import cache

import pytest
from safetensors.torch import save as to_bytes

from gsa.card import Card, CheckpointError
from gsa.checkpoints import write_card
from gsa.deletion_study import Judged, summary
from gsa.evaluate import wilson
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe
from gsa.report import report, write_report
from gsa.resnet import ResNet
from gsa.seeds import Difference, Scatter, cards_of_seeds, seeds_folder
from gsa.twins import pairs

RECIPE = Recipe("made", "up", "resnet14_tiny", 64, 3, augment="trivial", erase=0.25)


@cache
def weights(mixer):
    """What a file of weights of a made-up twin holds."""
    return to_bytes(ResNet(RECIPE.config(mixer, 2), seed=0).state_dict())


def put(card, folder):
    """A card with its weights."""
    write_card(card, folder)
    (folder / f"{card.name}.safetensors").write_bytes(weights(card.mixer))


def card(mixer, top1, seed=0, **recipe):
    results = {"top1": top1, "top5": 0.9, "top1_interval": [top1 - 0.1, top1 + 0.1], "n": 50}
    return Card(
        name=f"made_{mixer}" + (f"_s{seed}" if seed else ""),
        pair="made",
        network=RECIPE.config(mixer, 2),
        preprocess=Preprocess(64),
        classes=("up", "down"),
        data={"name": "made up", "terms": "none", "train": 9, "held_out": 1},
        recipe={**RECIPE.to_dict(), "seed": seed, **recipe},
        training={"epochs": 3, "seconds": 60, "threads": 1, "device": "cpu"},
        results=results | {"mean_per_class": top1, "calibration_error": 0.1},
        sha256=hashlib.sha256(weights(mixer)).hexdigest(),
    )


@pytest.fixture
def folder(tmp_path):
    for each in (card("gsa", 0.5), card("conv", 0.6)):
        put(each, tmp_path)
    return tmp_path


def add_seeds(folder, gsa, conv):
    seeds_folder(folder).mkdir()
    for mixer, results in (("gsa", gsa), ("conv", conv)):
        for seed, top1 in enumerate(results, start=1):
            write_card(card(mixer, top1, seed), seeds_folder(folder))


def test_one_seed_is_said_to_be_one(folder):
    page = report(folder)
    assert "GSA is 10.0 points behind" in page
    assert "how far seeds scatter is not known" in page
    assert "standard deviation" not in page


def test_a_page_that_somebody_wrote_stays(folder):
    write_report(folder)
    write_report(folder)  # its own page may be replaced
    (folder / "README.md").write_text("# My project")
    with pytest.raises(ValueError, match="was not made by this program"):
        write_report(folder)
    assert (folder / "README.md").read_text() == "# My project"


def refused(folder):
    """The sentence with which no page is made of a folder."""
    with pytest.raises(CheckpointError) as error:
        write_report(folder)
    assert not (folder / "README.md").exists()
    return str(error.value)


def test_figures_of_other_weights_are_not_printed(folder):
    path = folder / "made_gsa.safetensors"
    path.write_bytes(weights("conv"))
    sentence = "made_gsa.safetensors does not have the sha256 that its card names; fetch it again."
    assert refused(folder) == sentence
    path.unlink()
    sentence = "checkpoint 'made_gsa' has a card but no weights, made_gsa.safetensors."
    assert refused(folder) == sentence
    write_card(replace(card("gsa", 0.5), results={}), folder)  # which has no figures to print
    assert "made_gsa" not in report(folder)


def test_json_that_is_no_card_is_passed_over_and_a_broken_card_is_not(folder):
    page = report(folder)
    (folder / "other.json").write_text('{"name": "mine"}')
    assert report(folder) == page
    (folder / "other.safetensors").touch()
    assert refused(folder) == "of checkpoint 'other', the card has no entry 'network'."


def test_a_folder_without_checkpoints_has_no_page(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint in"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_twins_with_the_same_figure_are_level(folder):
    write_card(card("gsa", 0.6), folder)
    assert "**GSA is level with its conv twin** in top-1" in report(folder)


def test_a_difference_larger_than_chance_is_called_so(folder):
    add_seeds(folder, gsa=[0.52, 0.54], conv=[0.61, 0.59])
    page = report(folder)
    assert "GSA is 8.0 points behind its conv twin** in top-1 (means over 3 and 3 seeds)" in page
    chance = Difference.between(Scatter(0.52, 0.02, 3), Scatter(0.6, 0.01, 3)).p_value
    assert (
        "has a standard error of 1.3 points, and where there is none, one as large comes with "
        f"probability {chance:.2g} (Welch's t test)." in page
    )
    assert "| gsa | 52.0% ± 2.0% | 50.0% (0), 52.0% (1), 54.0% (2) |" in page


def test_a_difference_within_the_scatter_is_called_so(folder):
    add_seeds(folder, gsa=[0.7, 0.6], conv=[0.5, 0.7])
    page = report(folder)
    assert "GSA is level with" in page
    assert "comes with probability 1 (Welch's t test)" in page


def test_two_seeds_are_not_tested(folder):
    add_seeds(folder, gsa=[0.7], conv=[0.7])
    page = report(folder)
    assert "has a standard error of 11.2 points, and two seeds say little.\n" in page
    assert "Welch" not in page
    write_card(card("gsa", 0.6, 2), seeds_folder(folder))  # the other twin still has two
    assert "two seeds say little.\n" in report(folder)


def test_seeds_that_all_came_to_the_same_are_not_tested(folder):
    add_seeds(folder, gsa=[0.5, 0.5], conv=[0.6, 0.6])
    assert "has a standard error of 0.0 points.\n" in report(folder)


def test_a_common_start_is_told_with_the_scatter_alone(folder):
    start = "so how others scatter is not in it"
    for seed in range(2):
        for mixer, top1 in (("gsa", 0.5), ("conv", 0.6)):
            made = card(mixer, top1 + seed / 10, seed, init_from="first")
            if seed == 0:
                put(made, folder)
            else:
                seeds_folder(folder).mkdir(exist_ok=True)
                write_card(made, seeds_folder(folder))
        assert (start in report(folder)) == (seed == 1)


def test_seeds_of_one_mixer_alone_prove_no_difference(folder):
    add_seeds(folder, gsa=[0.7, 0.6], conv=[])
    assert "how far seeds scatter is not known" in report(folder)


def test_further_seeds_are_no_checkpoints(folder):
    add_seeds(folder, gsa=[0.5], conv=[0.6])
    assert pairs(folder) == {"made": {"gsa": "made_gsa", "conv": "made_conv"}}
    cards = cards_of_seeds(card("gsa", 0.5), folder)
    assert [each.recipe["seed"] for each in cards] == [0, 1]


def test_a_seed_of_another_recipe_is_refused(folder):
    seeds_folder(folder).mkdir()
    write_card(card("gsa", 0.5, seed=1, epochs=99), seeds_folder(folder))
    with pytest.raises(CheckpointError, match=r"made_gsa_s1.json has another recipe"):
        report(folder)


@pytest.mark.parametrize("origin", [{"start_sha256": "old"}, {"teachers_sha256": ["old"]}])
def test_a_seed_of_another_start_or_other_teachers_is_refused(folder, origin):
    seeds_folder(folder).mkdir()
    other = card("gsa", 0.5, seed=1)
    write_card(replace(other, training={**other.training, **origin}), seeds_folder(folder))
    with pytest.raises(CheckpointError, match=r"made_gsa_s1.json has another recipe, start or tea"):
        report(folder)


def test_a_card_from_before_a_field_was_added_is_described(folder):
    recipe = {key: value for key, value in RECIPE.to_dict().items() if key != "erase"}
    write_card(replace(card("gsa", 0.5), recipe=recipe), folder)
    assert "augmentation trivial, erasing 0.0, mixup 0.0" in report(folder)


def test_intervals_and_machines_are_told_where_a_card_has_them(folder):
    row = "| 50.0% (40.0% to 60.0%) | 90.0% | 50.0% | 0.100 | 3 epochs, 1 minutes on 1 cpu thread |"
    assert row in report(folder)
    made = card("gsa", 0.5)
    on_gpu = {**made.training, "device": "cuda"}
    results = {**made.results, "top5_interval": [0.8, 0.95]}
    write_card(replace(made, training=on_gpu, results=results), folder)
    assert "| 90.0% (80.0% to 95.0%) | 50.0% | 0.100 | 3 epochs, 1 minutes on a GPU |" in (
        report(folder)
    )
    write_card(replace(made, training={**on_gpu, "gpu": "Some GPU"}), folder)
    assert "1 minutes on Some GPU |" in report(folder)


def test_the_recipe_says_what_is_done_to_pictures(folder):
    assert "augmentation trivial, erasing 0.25, mixup 0.0" in report(folder)
    assert "compiled" not in report(folder)
    write_card(card("gsa", 0.5, compile=True), folder)
    assert "seed 0, compiled." in report(folder)


def test_a_start_that_was_replaced_since_is_called_an_earlier_one(folder):
    start = replace(card("gsa", 0.4), name="first_gsa", pair="first")
    put(start, folder)
    for used, words in (
        (start.sha256, "AdamW from `first`"),
        ("old", "AdamW from an earlier `first`"),
    ):
        tuned = card("gsa", 0.5, init_from="first")
        write_card(replace(tuned, training={**tuned.training, "start_sha256": used}), folder)
        assert words in report(folder)


def test_teachers_are_named_and_called_earlier_ones_if_they_were_replaced(folder):
    assert "of the loss by" not in report(folder)
    teacher = replace(card("gsa", 0.4), name="first_gsa", pair="first")
    put(teacher, folder)
    for used, word in ((teacher.sha256, ""), ("old", "an earlier ")):
        taught = card("gsa", 0.5, teachers=["first_gsa", "gone_conv"], teacher_share=0.25)
        training = {**taught.training, "teachers_sha256": [used, "any"]}
        write_card(replace(taught, training=training), folder)
        assert (
            f"label smoothing 0.1, 25% of the loss by the mean prediction of {word}`first_gsa` and "
            "an earlier `gone_conv` at temperature 2, augmentation" in report(folder)
        )


def test_the_recipe_says_that_its_schedule_begins_anew(folder):
    twice = {"epochs": 5, "restart": 3, "augment_from": 3, "early_size": 32, "early_epochs": 2}
    write_card(card("gsa", 0.5, **twice), folder)
    page = report(folder)
    assert "5 epochs (the first 2 of each part at 32 px) of batches" in page
    assert "cosine, begun anew after 3 epochs, label smoothing" in page
    assert "augmentation trivial after 3 epochs, erasing" in page


def test_trials_of_recipes_follow_those_of_the_module(folder):
    history = [{"epoch": 1, "loss": 2.0, "held_out_top1": 0.25}]
    trials = {
        "about": "Of the module.",
        "trials": [{"variant": "paper", "mixer": "gsa", "history": history}],
    }
    (folder / "trials.json").write_text(json.dumps(trials))
    module = "| gsa | paper | 2.00, 25.0% | 2.00, 25.0% (epoch 1) |\n"
    assert report(folder).endswith(module)
    row = {"name": "no decay", "mixer": "gsa", "epochs": 7, "verdict": "worse"}
    row |= {"held_out_percent": 54, "shipped_percent": 58.5}
    (folder / "trials.json").write_text(
        json.dumps(trials | {"recipes_about": "Of recipes.", "recipes": [row]})
    )
    page = report(folder)
    assert module in page
    assert "Of recipes." in page
    assert page.endswith(
        "|---|---|---|---|---|---|\n| gsa | no decay | 7 | 54% | 58.5% | worse |\n"
    )


def test_the_difference_of_two_means_has_the_errors_of_both():
    one, other = Scatter(0.5, 0.03, 4), Scatter(0.4, 0.06, 9)
    difference = Difference.between(one, other)
    assert (difference.gain, difference.error) == pytest.approx((0.1, 0.025))
    assert difference.freedom == pytest.approx(0.025**4 / (0.015**4 / 3 + 0.02**4 / 8))


def scatter(*right, pictures=3925):
    return Scatter.of([card("gsa", each / pictures) for each in right])


def test_the_probability_is_that_of_students_distribution():
    # closed forms for one and two degrees of freedom
    assert Difference(6.0, 1.0, 1.0).p_value == pytest.approx(1 - 2 / math.pi * math.atan(6))
    assert Difference(-3.0, 1.5, 2.0).p_value == pytest.approx(1 - 2 / math.sqrt(2 + 4))
    assert Difference(0.0, 1.0, 5.0).p_value == pytest.approx(1)
    # by another program, of the two seeds each of a pair that was trained
    few = Difference.between(scatter(3483, 3491), scatter(3516, 3512))
    assert (few.gain / few.error, few.freedom) == pytest.approx((-6.04, 1.47), abs=0.005)
    assert few.p_value == pytest.approx(0.052, abs=0.0005)
    assert math.isnan(Difference.between(Scatter(0.5, math.nan, 1), Scatter(0.4, 0.1, 3)).p_value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"results": {"top1": 0.5}},
            "the card of 'made_gsa' lacks the entry 'top5'; the page needs",
        ),
        ({"training": {}}, "the card of 'made_gsa' lacks the entry 'epochs'"),
        (
            {"results": card("gsa", 0.5).results | {"top5": "0.9"}},
            "the card of 'made_gsa' has a wrong entry: Unknown format code '%'",
        ),
        ({"recipe": {}}, "a card of 'made' lacks the entry 'seed'"),
    ],
)
def test_a_card_that_lacks_what_the_page_needs_is_named(folder, changes, sentence):
    write_card(replace(card("gsa", 0.5), **changes), folder)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        report(folder)


def deletion_study(sha256):
    def row(picture, method, area, *beats):
        return Judged(
            "made_gsa", "gsa", picture, "up", 0.9, method, area, 0.4, float(bool(beats)), beats
        )

    rows = [row("a", "grad_cam", 0.125, "edges", "middle"), row("a", "edges", 0.25, "middle")]
    rows += [row("b", "grad_cam", 0.375, "edges"), row("b", "edges", 0.5)]
    protocol = {"pictures": 2, "source": "zoo", "orders": 16, "blocks": 14}
    return {
        "protocol": protocol | {"weights_sha256": {"made_gsa": sha256}},
        "methods": summary(rows),
        "tests": [row.to_dict() for row in rows],
    }


def test_attributions_are_told_with_what_they_must_beat(folder):
    (folder / "deletion.json").write_text(json.dumps(deletion_study(card("gsa", 0.5).sha256)))
    page = report(folder)
    section = page[page.index("## Which attributions pass") :]
    assert "of 2 pictures (zoo)" in section
    assert "16 orders at random" in section
    low, high = wilson(0.5, 2)
    share = f"50% ({low:.0%} to {high:.0%})"
    assert f"| `made_gsa` | grad cam | 0.250 | 0.400 | 100% | 100% | 50% | {share} |" in section
    assert f"| `made_gsa` | edges | 0.375 | 0.400 | 50% |  | 50% | {share} |" in section


def test_attributions_of_other_weights_are_not_printed(folder):
    (folder / "deletion.json").write_text(json.dumps(deletion_study("0" * 64)))
    sentence = "deletion.json was measured on other weights of 'made_gsa'; run `python -m gsa del"
    assert refused(folder).startswith(sentence)


STUDIES = ["ablation.json", "branch_share.json", "deletion.json", "trials.json"]


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize(("text", "sentence"), [("{", "is not JSON"), ("{}", "lacks the entry")])
def test_a_study_that_cannot_be_shown_is_named(folder, name, text, sentence):
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name}' {sentence}"):
        report(folder)
