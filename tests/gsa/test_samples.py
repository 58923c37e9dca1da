"""Which pictures a network is asked about: of its own data set, or of class folders."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gsa.__main__ import main
from gsa.checkpoints import read_card, write_card
from gsa.samples import from_folder, labelled
from gsa.split import DataError
from tests.conftest import photo

CLASSES = ("ant", "bee", "cat", "dog", "eel")  # of the tiny twins
ORIGINALS = ["cifar-10", "caltech-101", "imagenette-original", "tiny-imagenet"]


def class_folders(folder, classes, suffix=".png"):
    for class_ in classes:
        (folder / class_).mkdir(parents=True)
        photo(70, 80).save(folder / class_ / f"0{suffix}")
    return folder


def card_of(folder, data):
    """The card of the tiny GSA twin, as if it were trained on a data set."""
    return replace(read_card("tiny_gsa", folder), recipe={"data": data})


@pytest.mark.parametrize("data", [*ORIGINALS, "caltech-94", "/gone"])
def test_a_network_can_be_asked_about_ones_own_class_folders(data, checkpoint_folder, tmp_path):
    card = card_of(checkpoint_folder, data)
    plain = class_folders(tmp_path / "plain", CLASSES[:3])
    assert from_folder(card, plain).answers == CLASSES[:3]
    class_folders(tmp_path / "parts" / "val", CLASSES[:2])
    class_folders(tmp_path / "parts" / "test", CLASSES[1:3])
    assert from_folder(card, tmp_path / "parts").answers == CLASSES[:2]
    assert labelled(card, tmp_path / "parts", "test", download=False).answers == CLASSES[1:3]


def test_a_folder_may_be_called_as_a_data_set(checkpoint_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "cifar-10", CLASSES[:2])
    for data in ("cifar-10", ""):
        assert labelled(card_of(checkpoint_folder, data), Path("cifar-10")).answers == CLASSES[:2]


def test_its_own_data_set_comes_first_where_it_lies(checkpoint_folder, tmp_path):
    card = card_of(checkpoint_folder, "imagenette-original")
    class_folders(tmp_path, CLASSES)
    class_folders(tmp_path / "imagenette2" / "train", ("n01440764",), ".jpeg")
    class_folders(tmp_path / "imagenette2" / "val", ("n01440764", "n03888257"), ".jpeg")
    assert labelled(card, tmp_path).answers == ("tench", "parachute")


def test_what_is_asked_for_is_fetched(checkpoint_folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "gsa.samples.open_split", lambda *given, **options: asked.append((given, options))
    )
    labelled(card_of(checkpoint_folder, "cifar-10"), tmp_path / "new", download=True)
    assert asked == [(("cifar-10", "val", tmp_path / "new"), {"download": True})]


@pytest.mark.parametrize("data", [*ORIGINALS, "caltech-94", ""])
def test_a_folder_that_is_not_there_is_said_first(data, checkpoint_folder, tmp_path):
    for download in (None, False):
        with pytest.raises(DataError, match=r"^there is no folder '.*nowhere'\.$"):
            labelled(card_of(checkpoint_folder, data), tmp_path / "nowhere", download=download)


def test_only_who_can_ask_for_a_download_is_told_of_it(checkpoint_folder, tmp_path):
    card = card_of(checkpoint_folder, "cifar-10")
    with pytest.raises(DataError, match="CIFAR-10 is not in .*; `--download` fetches it there"):
        labelled(card, tmp_path, download=False)
    with pytest.raises(
        DataError, match="^CIFAR-10 cannot be read in .*, and .* has no pictures in"
    ):
        labelled(card, tmp_path)


def test_the_commands_take_class_folders_of_a_network_of_torchvisions_set(
    checkpoint_folder, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(checkpoint_folder, tmp_path / "checkpoints")
    for name in ("tiny_gsa", "tiny_conv"):
        write_card(replace(read_card(name, folder), recipe={"data": "cifar-10"}), folder)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    own = str(class_folders(tmp_path / "own", CLASSES))
    for command in (
        ["differ", own],
        ["stress", own, "--tests", "shift"],
        ["evaluate", "tiny_gsa", own],
    ):
        assert main(command) == 0
    capsys.readouterr()
    (tmp_path / "empty").mkdir()
    for command in ("differ", "stress"):
        assert main([command, str(tmp_path / "empty")]) == 2
        assert "--download" not in capsys.readouterr().err
    assert main(["evaluate", "tiny_gsa", str(tmp_path / "empty")]) == 2
    assert "`--download` fetches it there" in capsys.readouterr().err


def test_an_archive_is_no_folder_of_archives(checkpoint_folder, tmp_path):
    path = tmp_path / "caltech-160-val-00.zip"
    path.touch()
    with pytest.raises(DataError, match="00.zip' is a file; name the folder that it lies in"):
        labelled(card_of(checkpoint_folder, "caltech-94"), path)
