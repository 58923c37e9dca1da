import copy
import hashlib
import json
import os
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from gsa import twins
from gsa.baselines import untrained
from gsa.card import Card, CheckpointError
from gsa.checkpoints import available, load, read_card, read_cards, save
from gsa.record import record
from gsa.twins import pairs
from tests.conftest import noise


@pytest.fixture
def copied(checkpoint_folder, tmp_path):
    shutil.copytree(checkpoint_folder, tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def edit_card(folder, name, /, **entries):
    card = json.loads((folder / f"{name}.json").read_text())
    (folder / f"{name}.json").write_text(json.dumps(card | entries))


def hash_again(folder, name):
    """For damage that a wrong hash would hide."""
    data = (folder / f"{name}.safetensors").read_bytes()
    edit_card(folder, name, sha256=hashlib.sha256(data).hexdigest())


def test_weights_come_back_as_halves_of_what_was_saved(checkpoint_folder):
    checkpoint = load("tiny_gsa", checkpoint_folder)
    original = untrained(checkpoint.card, seed=1).model
    for key, value in checkpoint.model.state_dict().items():
        expected = original.state_dict()[key]
        if expected.ndim > 1:
            assert torch.equal(value, expected.half().float())
        elif not key.endswith("num_batches_tracked"):
            # statistics are sums, whose last bits depend on the number of threads
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    assert not checkpoint.model.training
    assert not any(p.requires_grad for p in checkpoint.model.parameters())


def test_a_card_survives_the_way_through_its_file(checkpoint_folder):
    card = read_card("tiny_gsa", checkpoint_folder)
    assert type(card).from_dict(json.loads(json.dumps(card.to_dict()))) == card
    assert card.mixer == "gsa"
    assert card.to_dict()["params"] == sum(
        p.numel() for p in load("tiny_gsa", checkpoint_folder).model.parameters()
    )


def test_names_and_pairs_are_found(checkpoint_folder, tmp_path):
    assert available(checkpoint_folder) == ["tiny_conv", "tiny_gsa"]
    assert pairs(checkpoint_folder) == {"tiny": {"gsa": "tiny_gsa", "conv": "tiny_conv"}}
    assert available(tmp_path) == []


def test_half_a_pair_is_none(copied):
    (copied / "tiny_conv.json").unlink()
    assert pairs(copied) == {}


@pytest.mark.parametrize(
    "entries",
    [
        {"classes": ["b", "a", "c", "d", "e"]},
        {"preprocess": {"size": 96}},
        {"network": {"widths": [8, 32, 64, 128]}},
    ],
)
def test_twins_that_differ_in_more_than_the_mixer_are_no_pair(copied, entries, caplog):
    """A class number of one would be another class of the other."""
    card = json.loads((copied / "tiny_conv.json").read_text())
    changed = {
        key: {**card[key], **new} if isinstance(new, dict) else new for key, new in entries.items()
    }
    edit_card(copied, "tiny_conv", **changed)
    twins._warn_once.cache_clear()  # what is said is said once
    assert pairs(copied) == {}
    assert "the twins of 'tiny' differ in their classes, their preprocessing or the" in caplog.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nope", "there is no checkpoint .*tiny_conv, tiny_gsa"),
        ("", "there is no checkpoint .*tiny_conv, tiny_gsa"),
        ("../tiny_gsa", "must be named without its folder"),
        ("/etc/passwd", "must be named without its folder"),
    ],
)
def test_an_unknown_name_is_refused(checkpoint_folder, name, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        load(name, checkpoint_folder)


def test_a_card_in_another_folder_is_no_checkpoint(copied):
    inner = copied / "inner"
    shutil.copytree(copied, inner)
    edit_card(inner, "tiny_gsa", name="inner/tiny_gsa")
    with pytest.raises(CheckpointError, match="must be named without its folder"):
        read_card("inner/tiny_gsa", copied)


@pytest.mark.parametrize("name", ["../evil", "in/side", "", None])
def test_a_card_has_a_name_that_stays_in_its_folder(copied, name):
    card = read_card("tiny_gsa", copied)
    with pytest.raises(CheckpointError, match=r"without its folder|`name` .*(empty|str)"):
        replace(card, name=name)


def test_a_list_of_classes_stands_for_a_tuple(copied):
    card = read_card("tiny_gsa", copied)
    assert replace(card, classes=list(card.classes)) == card


def test_a_checkpoint_and_its_parts_are_short_to_look_at(copied):
    checkpoint = load("tiny_gsa", copied)
    recording = record(checkpoint.model, torch.zeros(1, 3, 32, 32))
    for each in (checkpoint, checkpoint.card, recording, recording["2.1"]):
        assert len(repr(each)) < 100
    assert repr(checkpoint.card) == "Card('tiny_gsa', gsa, 5 classes)"
    assert repr(recording["2.1"]) == "LayerRecord('2.1', 4 heads, 8 x 8 cells)"


def test_a_device_that_is_not_there_is_refused(copied):
    with pytest.raises(ValueError, match=r"`device` \(='nowhere'\) cannot be used: "):
        load("tiny_gsa", copied, device="nowhere")


def test_missing_weights_are_named(copied):
    (copied / "tiny_gsa.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has a card but no weights, tiny_gsa.safetensors"):
        load("tiny_gsa", copied)


def test_a_changed_file_is_refused(copied):
    path = copied / "tiny_gsa.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="does not have the sha256 that its card names"):
        load("tiny_gsa", copied)


def test_weights_that_cannot_be_read_are_named(copied, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(copied), "read_bytes", denied)  # root may read what is forbidden
    with pytest.raises(CheckpointError, match=r"^tiny_gsa.safetensors cannot be read \(Permission"):
        load("tiny_gsa", copied)


def test_a_card_without_a_hash_is_refused(copied):
    edit_card(copied, "tiny_gsa", sha256="")
    with pytest.raises(CheckpointError, match="'tiny_gsa' names no sha256 to check the weights by"):
        load("tiny_gsa", copied)


def test_a_git_lfs_pointer_is_told_from_damage(copied):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (copied / "tiny_gsa.safetensors").write_bytes(pointer)
    with pytest.raises(CheckpointError, match="run `git lfs pull`"):
        load("tiny_gsa", copied)


@pytest.mark.parametrize("cut", [0, 4, 1000])
def test_a_damaged_file_is_refused(copied, cut):
    path = copied / "tiny_gsa.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    hash_again(copied, "tiny_gsa")
    with pytest.raises(CheckpointError, match="tiny_gsa.safetensors is damaged"):
        load("tiny_gsa", copied)


def edit_weights(folder, change):
    path = folder / "tiny_gsa.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    hash_again(folder, "tiny_gsa")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(copied, value):
    edit_weights(copied, lambda state: state["head.bias"].fill_(value))
    with pytest.raises(CheckpointError, match="not finite, in 'head.bias'"):
        load("tiny_gsa", copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("head.bias"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({"head.bias": torch.zeros(7)}),
    ],
)
def test_weights_of_another_network_are_refused(copied, change):
    edit_weights(copied, change)
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load("tiny_gsa", copied)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"network": 3}', "[" * 10**6, '{"data": NaN}'])
def test_a_broken_card_is_refused(copied, text):
    (copied / "tiny_gsa.json").write_text(text)
    with pytest.raises(CheckpointError, match="checkpoint 'tiny_gsa'.* card|card .*'tiny_gsa'"):
        load("tiny_gsa", copied)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"data": {}, "results": {"top1": 0.5}}, "does not name the data they were found on"),
        ({"data": []}, r"`data` \(=\[\]\) must be of type dict"),
        ({"pair": ["tiny"]}, r"`pair` \(=\['tiny'\]\) must be of type str"),
        ({"classes": ["ant"]}, "names 1 classes for a network with 5"),
        ({"classes": ["a", "b", "c", "d", 5]}, r"`classes` \(=.* 5\]\) must be a list of names"),
        ({"classes": "abcde"}, r"`classes` \(='abcde'\) must be a list of names"),
        ({"results": {"top1": "0.5"}}, r"`top1` \(='0.5'\) must be a number from 0 to 1"),
        ({"results": {"top1": 50.0}}, r"`top1` \(=50.0\) must be a number from 0 to 1"),
        ({"results": {"temperature": 0}}, r"`temperature` \(=0\) must be a finite number above 0"),
        ({"results": {"temperature": None}}, r"`temperature` \(=None\) must be a finite number"),
        ({"preprocess": {"size": "64"}}, r"does not fit: `size` \(='64'\) must be whole"),
    ],
)
def test_a_card_with_a_wrong_entry_is_refused(copied, entries, sentence):
    edit_card(copied, "tiny_gsa", **entries)
    with pytest.raises(CheckpointError, match=f"of checkpoint 'tiny_gsa', the card.*{sentence}"):
        read_card("tiny_gsa", copied)


def test_a_broken_card_does_not_keep_from_other_pairs(copied, caplog):
    for mixer in ("gsa", "conv"):
        for suffix in (".json", ".safetensors"):
            shutil.copy(copied / f"tiny_{mixer}{suffix}", copied / f"other_{mixer}{suffix}")
        edit_card(copied, f"other_{mixer}", name=f"other_{mixer}", pair="other")
    (copied / "tiny_gsa.json").write_text("{")
    assert pairs(copied) == {"other": {"gsa": "other_gsa", "conv": "other_conv"}}
    assert [kind for kind in map(type, read_cards(copied).values())].count(Card) == 3
    assert "the card of checkpoint 'tiny_gsa' is not valid JSON" in caplog.text
    pairs(copied)
    assert len(caplog.records) == 1


def test_a_copy_of_a_checkpoint_does_not_take_its_place(copied, caplog):
    for suffix in (".json", ".safetensors"):
        shutil.copy(copied / f"tiny_gsa{suffix}", copied / f"tiny_gsa_old{suffix}")
    assert pairs(copied) == {"tiny": {"gsa": "tiny_gsa", "conv": "tiny_conv"}}
    sentence = "the card of checkpoint 'tiny_gsa_old' gives its name as 'tiny_gsa'"
    assert sentence in caplog.text
    with pytest.raises(CheckpointError, match=sentence):
        load("tiny_gsa_old", copied)


def test_of_two_networks_with_one_mixer_the_first_is_the_twin(copied, caplog):
    shutil.copy(copied / "tiny_gsa.safetensors", copied / "tiny_gsa_old.safetensors")
    shutil.copy(copied / "tiny_gsa.json", copied / "tiny_gsa_old.json")
    edit_card(copied, "tiny_gsa_old", name="tiny_gsa_old")
    twins._warn_once.cache_clear()
    assert pairs(copied) == {"tiny": {"gsa": "tiny_gsa", "conv": "tiny_conv"}}
    assert "'tiny_gsa_old' is a gsa network of 'tiny' as 'tiny_gsa' is" in caplog.text


def test_classes_of_one_name_are_refused(copied):
    edit_card(copied, "tiny_gsa", classes=["a", "b", "c", "b", "d"])
    with pytest.raises(CheckpointError, match="`classes` name 'b' more than once"):
        read_card("tiny_gsa", copied)


def test_whole_numbers_are_no_weights(copied):
    """They would be passed over, and leave a layer as it was drawn."""
    path = copied / "tiny_gsa.safetensors"
    state = load_file(path)
    state["head.weight"] = state["head.weight"].to(torch.int8)
    save_file(state, path)
    hash_again(copied, "tiny_gsa")
    with pytest.raises(CheckpointError, match="1 missing, 0 unknown, such as 'head.weight'"):
        load("tiny_gsa", copied)


def test_what_could_not_be_loaded_is_not_saved(copied):
    old, before = load("tiny_gsa", copied), (copied / "tiny_gsa.safetensors").read_bytes()
    large = copy.deepcopy(old.model)
    large.head.weight.data[0, 0] = 7e4  # more than half precision has
    for model, sentence in (
        (large, "not finite, in 'head.weight'"),
        (load("tiny_conv", copied).model, "do not fit its card"),
    ):
        with pytest.raises(CheckpointError, match=sentence):
            save(model, old.card, copied)
    assert (copied / "tiny_gsa.safetensors").read_bytes() == before


def test_a_folder_may_be_given_as_text(checkpoint_folder, tmp_path):
    text = str(checkpoint_folder)
    checkpoint = load("tiny_gsa", text)
    assert available(text) == available(checkpoint_folder)
    assert pairs(text) == pairs(checkpoint_folder)
    assert read_card("tiny_gsa", text) == checkpoint.card
    copy = save(checkpoint.model, checkpoint.card, str(tmp_path / "written"))
    assert load("tiny_gsa", tmp_path / "written").card == copy


def test_a_save_that_ends_early_leaves_the_old_pair(copied, monkeypatch):
    """What a card says takes long to compute: a kill then must not leave new weights alone."""
    before = {path: path.read_bytes() for path in copied.iterdir()}
    old = load("tiny_gsa", copied)
    new = untrained(old.card, seed=7).model

    def killed(*_):
        raise KeyboardInterrupt

    for place, name in ((Card, "to_dict"), (type(copied), "replace")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, killed)
            with pytest.raises(KeyboardInterrupt):
                save(new, old.card, copied)
        assert {path: path.read_bytes() for path in copied.iterdir()} == before


def test_weights_take_their_name_right_before_their_card(copied, monkeypatch):
    seen = []
    replace = type(copied).replace

    def noted(path, target):
        seen.append((target.name, sorted(each.name for each in copied.glob("*.partial"))))
        return replace(path, target)

    monkeypatch.setattr(type(copied), "replace", noted)
    old = load("tiny_gsa", copied)
    save(old.model, old.card, copied)
    both = [f"tiny_gsa.{kind}.{os.getpid()}.partial" for kind in ("json", "safetensors")]
    assert seen == [("tiny_gsa.safetensors", both), ("tiny_gsa.json", both[:1])]


def test_an_untrained_twin_depends_on_the_seed_alone(checkpoint_folder):
    card = read_card("tiny_gsa", checkpoint_folder)
    first, again, other = (untrained(card, seed).model(noise()) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_untrained_twin_stands_strong_contrast(checkpoint_folder):
    model = untrained(read_card("tiny_gsa", checkpoint_folder)).model
    halves = torch.cat([torch.full((1, 3, 64, 32), 2.5), torch.full((1, 3, 64, 32), -2.5)], dim=3)
    assert torch.isfinite(model(halves)).all()
