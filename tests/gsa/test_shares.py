"""What each branch carries: the measure, its study of a checkpoint, its page and its command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa.__main__ import main
from gsa.card import CheckpointError
from gsa.checkpoints import load, write_card
from gsa.data import open_split
from gsa.report import report, write_report
from gsa.shares import STARTS, positional_shares, study
from tests.conftest import noise, photo, tiny_config, tiny_model


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("shares")
    for class_ in ("ant", "bee"):
        (root / "val" / class_).mkdir(parents=True)
        for n in range(4):
            photo(80, 70, seed=n).save(root / "val" / class_ / f"{n}.png")
    return root


@pytest.fixture(scope="module")
def found(pictures, checkpoint_folder):
    checkpoint = load("tiny_gsa", checkpoint_folder)
    return study(checkpoint, open_split(str(pictures), "val"), 5, 2)


def test_the_share_is_the_norm_of_the_branch_over_both():
    model = tiny_model(projection_norm="rms", query_gain=0.2)
    kept = {}

    class Keeper:
        def layer(self, name, content, positional, **_):
            kept[name] = content.flatten(1).norm(dim=1), positional.flatten(1).norm(dim=1)

    x = torch.cat([noise(seed=0), noise(seed=1)])
    with torch.no_grad():
        model(x, Keeper())
    shares = positional_shares(model, x)
    assert list(shares) == ["1.1", "2.1", "3.1", "4.1"]
    for name, (content, positional) in kept.items():
        expected = positional / (content + positional)
        assert np.allclose(shares[name], expected.numpy(), atol=1e-5)


def test_every_start_and_the_trained_network_are_measured(found):
    names = [condition["name"] for condition in found["conditions"]]
    assert names == [*(start.name for start in STARTS), "after training"]
    assert [condition["trained"] for condition in found["conditions"]] == [False] * 4 + [True]
    assert (found["pictures"], found["seeds"]) == (5, 2)
    for condition in found["conditions"]:
        for layer in condition["layers"].values():
            assert 0 < layer["low"] <= layer["mean"] <= layer["high"] < 1


def test_a_tenth_of_the_shares_lies_below_low_and_above_high(
    pictures, checkpoint_folder, monkeypatch
):
    """Of eleven shares in steps of a tenth of the whole, the second and the last but one."""
    steps = np.random.default_rng(0).permutation(11) / 10
    monkeypatch.setattr("gsa.shares.positional_shares", lambda *_: {"1.1": steps})
    monkeypatch.setattr("gsa.shares.STARTS", ())
    split = open_split(str(pictures), "val")
    found = study(load("tiny_gsa", checkpoint_folder), split, 1, 1)
    (condition,) = found["conditions"]
    assert condition["layers"]["1.1"] == pytest.approx({"mean": 0.5, "low": 0.1, "high": 0.9})


def test_embeddings_of_unit_variance_drown_the_content_branch(found):
    large, small = (found["conditions"][at]["layers"] for at in (0, 1))
    assert all(large[name]["mean"] > small[name]["mean"] + 0.1 for name in large)


def test_a_start_depends_on_its_seed_alone():
    start = STARTS[0]
    first = start.network(tiny_config(), 1).state_dict()
    torch.rand(3)  # a draw between must not matter
    again, other = (start.network(tiny_config(), seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    key = "stages.0.0.mixer.r_c"
    assert not torch.equal(first[key], other[key])
    assert first[key].std() == pytest.approx(1, abs=0.2)


def test_a_picture_of_much_contrast_is_no_overflow():
    pictures = torch.cat([noise(seed=0), 1e4 * noise(seed=1)])
    for start in STARTS:
        shares = start.shares(tiny_config(), 0, pictures)
        assert all(np.isfinite(values).all() for values in shares.values())


def test_each_batch_has_its_own_statistics(monkeypatch):
    monkeypatch.setattr("gsa.shares.BATCH", 2)
    pictures = torch.cat([noise(seed=seed) for seed in range(4)])
    whole = STARTS[0].shares(tiny_config(), 0, pictures)
    part = STARTS[0].shares(tiny_config(), 0, pictures[2:])
    assert all(np.allclose(whole[name][2:], part[name]) for name in whole)


def test_a_network_without_two_branches_is_refused(pictures, checkpoint_folder):
    split = open_split(str(pictures), "val")
    with pytest.raises(ValueError, match="'tiny_conv' has no GSA layers with two branches"):
        study(load("tiny_conv", checkpoint_folder), split, 5, 1)
    checkpoint = load("tiny_gsa", checkpoint_folder)
    alone = replace(checkpoint.card, network=replace(checkpoint.card.network, content=False))
    with pytest.raises(ValueError, match="has no GSA layers with two branches"):
        study(replace(checkpoint, card=alone), split, 5, 1)
    for name, arguments in (("pictures", (0, 1)), ("seeds", (1, 0))):
        with pytest.raises(ValueError, match=rf"`{name}` \(=0\) must be at least 1"):
            study(checkpoint, split, *arguments)


def test_the_page_shows_the_study(found, checkpoint_folder, tmp_path):
    card = load("tiny_gsa", checkpoint_folder).card
    write_card(card, tmp_path)
    (tmp_path / f"{card.name}.safetensors").touch()
    (tmp_path / "branch_share.json").write_text(json.dumps(found))
    write_report(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "](branch_share.png)" in page
    drawn = (tmp_path / "branch_share.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    for condition in found["conditions"]:
        row = next(line for line in page.splitlines() if line.startswith(f"| {condition['name']}"))
        assert row.split("|")[2].strip() == f"{condition['layers']['1.1']['mean']:.0%}"
    write_report(tmp_path)
    assert (tmp_path / "branch_share.png").read_bytes() == drawn

    write_card(replace(card, sha256="0" * 64), tmp_path)
    with pytest.raises(CheckpointError, match="was measured on other weights of 'tiny_gsa'"):
        report(tmp_path)


def test_the_command_writes_the_study(pictures, tiny_checkpoints, tmp_path, capsys):
    arguments = ["shares", "tiny_gsa", str(pictures), "--pictures", "2", "--seeds", "1"]
    arguments += ["--out", str(tmp_path / "shares.json")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "shares.json").read_text()) == found
    assert main(arguments) == 0
    assert "after training: 1.1 " in capsys.readouterr().out
