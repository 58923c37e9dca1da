"""What the state of a run belongs to, and files of it that cannot be used."""

from dataclasses import replace

import pytest
import torch

from gsa.checkpoints import load, read_card
from gsa.data import open_split
from gsa.recipe import Recipe
from gsa.run import Run
from gsa.split import Split
from gsa.train import train
from tests.conftest import photo


def add(root, split, class_, *numbers):
    (root / split / class_).mkdir(parents=True, exist_ok=True)
    for n in numbers:
        photo(36, 36, seed=n).save(root / split / class_ / f"{n}.png")


@pytest.fixture
def root(tmp_path):
    """Two classes of pictures, to train a tiny network on in a moment."""
    for class_ in ("one", "two"):
        add(tmp_path, "train", class_, *range(6))
        add(tmp_path, "val", class_, 0, 1)
    return tmp_path


@pytest.fixture
def recipe(root):
    return Recipe(
        "p", str(root), "resnet14_tiny", 32, 1, batch_size=3, hold_out=0.25, precision="32-true"
    )


@pytest.fixture
def trained(root, recipe):
    """A function that trains again, in the same folders; it has been called once."""

    def again(recipe=recipe, mixer="conv"):
        return train(recipe, mixer, None, root / "runs", root / "out")

    again()
    return again


def strip(path, *entries):
    """Write a state as earlier versions did."""
    state = torch.load(path, weights_only=True)
    for entry in entries:
        del state[entry]
    torch.save(state, path)


def test_a_state_of_other_pictures_is_refused_and_its_card_stays(root, trained):
    card = read_card("p_conv", root / "out")
    add(root, "train", "one", 6, 7)
    with pytest.raises(ValueError, match="belongs to other pictures to learn from and other held"):
        trained()
    assert read_card("p_conv", root / "out") == card


def test_a_state_of_other_classes_is_refused_even_by_an_old_one_that_tells_none(root, trained):
    add(root, "train", "three", *range(6))
    add(root, "val", "three", 0, 1)
    with pytest.raises(ValueError, match="state.pt' belongs to other classes and other pictures"):
        trained()
    strip(root / "runs" / "p_conv" / "state.pt", "identity")
    with pytest.raises(ValueError, match="state.pt' does not fit the network; choose another"):
        trained()


def test_a_state_of_another_recipe_names_the_fields(root, recipe, trained):
    with pytest.raises(ValueError, match=r"another recipe \(`warmup`, `clip`\); choose another"):
        trained(replace(recipe, warmup=1.0, clip=2.0))


def test_a_state_of_the_other_twin_is_refused(root, recipe, trained):
    split = open_split(str(root), "train")
    with pytest.raises(ValueError, match="belongs to the other twin and other pictures"):
        Run(recipe, "gsa", split, split, root / "runs" / "p_conv")


def test_data_that_was_moved_is_the_same(root, trained):
    split = open_split(str(root), "train")
    (root / "elsewhere").mkdir()
    (root / "train").rename(root / "elsewhere" / "train")
    moved = open_split(str(root / "elsewhere"), "train")
    assert moved.places != split.places
    assert moved.digest() == split.digest()
    turned = Split(split.places, tuple(1 - target for target in split.targets), split.labels)
    parts = (split, turned, split.subset(range(11)), split.subset([1, 0]), split.subset([0, 1]))
    assert len({part.digest() for part in parts}) == len(parts)


@pytest.mark.parametrize("others", [False, True])
def test_a_start_gives_its_head_for_its_own_classes_alone(root, recipe, trained, others):
    start = load("p_conv", root / "out")
    if others:  # as many, so that a head of theirs would fit
        (root / "train" / "two").rename(root / "train" / "three")
    split = open_split(str(root), "train")
    tuned = replace(recipe, pair="tuned", init_from="p")
    model = Run(tuned, "conv", split, split, root / "runs" / "tuned", start=start).model
    assert torch.equal(model.stem.weight, start.model.stem.weight)
    assert torch.equal(model.head.weight, start.model.head.weight) != others


def test_a_state_is_gone_on_with_from_its_own_start_alone(root, recipe, trained):
    first = load("p_conv", root / "out").card.sha256
    tuned = replace(recipe, pair="tuned", init_from="p")
    assert trained(tuned).training["start_sha256"] == first
    assert trained(tuned).training["start_sha256"] == first
    (root / "runs" / "p_conv" / "state.pt").unlink()
    trained(replace(recipe, epochs=2))
    assert load("p_conv", root / "out").card.sha256 != first
    with pytest.raises(ValueError, match="tuned_conv/state.pt' belongs to another start; choose"):
        trained(tuned)


def test_an_old_state_goes_on_and_does_not_claim_a_start(root, recipe, trained):
    tuned = replace(recipe, pair="tuned", init_from="p")
    told = trained(tuned)
    path = root / "runs" / "tuned_conv" / "state.pt"
    strip(path, "identity")
    old = path.read_bytes()
    card = trained(tuned)
    assert path.read_bytes() == old  # nothing was left to do
    assert card.sha256 == told.sha256
    assert "start_sha256" in told.training
    assert "start_sha256" not in card.training

    split = open_split(str(root), "train")
    run = Run(tuned, "conv", split, split, path.parent, start=load("p_conv", root / "out"))
    run._save()
    assert torch.load(path, weights_only=True)["identity"]["start"] is None
    Run(tuned, "conv", split, split, path.parent, start=load("p_conv", root / "out"))


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_state_that_was_cut_off_is_named(root, trained, part):
    path = root / "runs" / "p_conv" / "state.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match="state.pt' is damaged; remove it to train from") as caught:
        trained()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("written", [b"cut", {"recipe": {}}, [1], {"recipe": {"size": "x"}}])
def test_a_file_that_is_no_state_is_named(root, recipe, written):
    path = root / "runs" / "p_conv" / "state.pt"
    path.parent.mkdir(parents=True)
    if isinstance(written, bytes):
        path.write_bytes(written)
    else:
        torch.save(written, path)
    with pytest.raises(ValueError, match="state.pt' is damaged; remove it"):
        train(recipe, "conv", None, root / "runs", root / "out")


def test_a_state_of_a_later_version_is_not_called_damaged(root, trained):
    path = root / "runs" / "p_conv" / "state.pt"
    state = torch.load(path, weights_only=True)
    torch.save(state | {"recipe": {**state["recipe"], "colour": 1}}, path)
    with pytest.raises(
        ValueError, match="has a field 'colour' that this version does not know; go"
    ):
        trained()


def test_a_state_for_which_there_is_no_memory_is_not_called_damaged(root, trained, monkeypatch):
    def fail(*_, map_location, **__):
        assert map_location == "cpu"  # a GPU may have no room beside what is there
        torch.empty(2**50)

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(RuntimeError, match="memory"):
        trained()


def test_other_words_for_the_card_are_no_other_recipe(root, recipe, trained):
    card = trained(replace(recipe, use="Other words.", limits="None."))
    assert card.use == "Other words."
    assert card.sha256 == trained().sha256
