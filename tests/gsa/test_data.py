import zipfile
from dataclasses import replace

import pytest

from gsa.data import KNOWN, open_split
from gsa.split import DataError, hold_out, in_archives, in_class_folders
from tests.conftest import photo

CLASSES = ("ant", "bee", "sea_horse")


@pytest.fixture
def folder(tmp_path):
    """ROOT/<split>/<class>/<picture>, four pictures in each class."""
    for split in ("train", "val"):
        for c, class_ in enumerate(CLASSES):
            (tmp_path / split / class_).mkdir(parents=True)
            for n in range(4):
                path = tmp_path / split / class_ / f"{n}.png"
                photo(40, 30, seed=100 * c + n).save(path)
    return tmp_path


def test_a_folder_of_splits_is_read(folder):
    split = open_split(str(folder), "train")
    assert len(split) == 12
    assert split.labels == ("ant", "bee", "sea horse")
    assert split.targets == (0,) * 4 + (1,) * 4 + (2,) * 4


def test_a_folder_of_classes_is_read(folder):
    assert len(open_split(str(folder / "val"), "val")) == 12


def test_archives_give_the_same_as_folders(folder, tmp_path_factory, monkeypatch):
    root = tmp_path_factory.mktemp("archives")
    for part, classes in enumerate((CLASSES[:2], CLASSES[2:])):
        with zipfile.ZipFile(root / f"insects-train-{part:02}.zip", "w") as archive:
            for class_ in classes:
                for path in sorted((folder / "train" / class_).iterdir()):
                    archive.write(path, f"insects/train/{class_}/{path.name}")
    monkeypatch.setitem(KNOWN, "insects", replace(KNOWN["caltech-94"], archive="insects"))
    packed, loose = open_split("insects", "train", root), open_split(str(folder), "train")
    assert (packed.targets, packed.labels) == (loose.targets, loose.labels)
    for one, other in zip(packed.decoded(20), loose.decoded(20), strict=True):
        assert one.equal(other)


def test_what_is_hidden_is_no_picture(folder, tmp_path):
    for hidden in (".ipynb_checkpoints/0.png", "ant/._0.png", "__MACOSX/0.png"):
        path = folder / "val" / hidden
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert open_split(str(folder / "val"), "val").labels == ("ant", "bee", "sea horse")
    found = in_class_folders(folder / "val")
    assert len(found) == 12
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (folder / "val").glob("*/*"):
            archive.write(path, f"all/{path.parent.name}/{path.name}")
        archive.writestr("__MACOSX/all/ant/._1.png", b"")
    packed = in_archives([tmp_path / "all.zip"])
    assert [(each.class_, each.name.split("/")[-1]) for each in packed] == [
        (each.class_, each.name) for each in found
    ]


def test_pictures_are_reduced_to_the_short_side(folder):
    split = open_split(str(folder), "train")
    assert split.decoded(15)[0].shape == (3, 15, 20)
    assert split.decoded(90)[0].shape == (3, 30, 40)  # never enlarged


def test_held_out_pictures_are_not_learned_from(folder):
    split = open_split(str(folder), "train")
    learn, held = hold_out(split, 0.25, seed=1)
    assert (len(learn), len(held)) == (9, 3)
    assert set(learn.places) | set(held.places) == set(split.places)
    assert not set(learn.places) & set(held.places)
    assert hold_out(split, 0.25, seed=1) == (learn, held)
    assert hold_out(split, 0.25, seed=2) != (learn, held)


@pytest.mark.parametrize(("share", "count"), [(0.29, 3), (0.31, 4), (0.0, 0), (0.01, 0)])
def test_as_many_are_held_out_as_are_nearest_to_the_share(folder, share, count):
    learn, held = hold_out(open_split(str(folder), "train"), share, seed=1)
    assert (len(learn), len(held)) == (12 - count, count)  # 0.29 of 12 is 3.48, 0.31 is 3.72


def test_everyday_words_replace_folder_names():
    assert KNOWN["imagenette"].labels["n03888257"] == "parachute"


def test_classes_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("ant", "ice cream", "ice_cream"):
        (tmp_path / name).mkdir()
        photo().save(tmp_path / name / "1.png")
    labels = open_split(str(tmp_path), "val").labels
    assert labels == ("ant", "ice cream (ice cream)", "ice cream (ice_cream)")


def test_pictures_of_a_folder_are_not_those_of_another(folder, tmp_path):
    with pytest.raises(DataError, match="`--data` .* is for a known data set"):
        open_split(str(folder), "val", tmp_path)


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "caltech-160-train-00.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("crab/1.png", bytes(5000))
    path.write_bytes(path.read_bytes()[:-30])  # a copy that was broken off
    with pytest.raises(DataError, match="caltech-160-train-00.zip' cannot be read"):
        open_split("caltech-94", "train", tmp_path)


DEFLATED = len("crab/1.png") + 30  # where the data of a first member begins
ENCRYPTED = 6  # the flags of a first member


@pytest.mark.parametrize(
    ("at", "there", "value", "why"),
    [
        (DEFLATED, 0, b"\xff" * 4, "Error -3 while decompressing data"),
        (ENCRYPTED, 8, b"\x01", "is encrypted, password required"),
    ],
)
def test_a_picture_that_does_not_leave_its_archive_is_said(tmp_path, at, there, value, why):
    path = tmp_path / "caltech-160-train-00.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("crab/1.png", bytes(5000))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02") + there if there else at  # flags stand there as well
    for place in (at, directory):
        data[place : place + len(value)] = value
    path.write_bytes(bytes(data))
    split = open_split("caltech-94", "train", tmp_path)
    with pytest.raises(DataError, match=f"caltech-160-train-00.zip' cannot be read .*{why}"):
        list(split.pictures())


def test_a_damaged_picture_among_many_is_named(tmp_path):
    (tmp_path / "crab").mkdir()
    (tmp_path / "crab" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(DataError, match="'torn.png' of the class 'crab' cannot be used. The "):
        list(open_split(str(tmp_path), "train").pictures())


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="is neither a folder nor a known data set"):
        open_split("no-such-thing", "train")
    with pytest.raises(DataError, match="needs the folder it lies in"):
        open_split("caltech-94", "train")
    with pytest.raises(
        DataError, match="nowhere' has no pictures in class folders, neither <class>"
    ):
        open_split("caltech-94", "train", tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no pictures in class folders"):
        open_split(str(tmp_path), "train")
    with pytest.raises(DataError, match=r"`hold_out` \(=1\)"):
        hold_out(open_split.__annotations__, 1, 0)  # type: ignore[arg-type]


def test_a_split_that_is_not_there_is_said_and_nothing_else_taken(folder, tmp_path):
    (tmp_path / "docs").mkdir()
    photo(40, 30).save(tmp_path / "docs" / "page.png")  # would be a class
    with pytest.raises(DataError, match=r"has no split 'nope'; it has 'train', 'val'\.$"):
        open_split(str(folder), "nope")
    assert open_split(str(folder / "val"), "nope").labels == ("ant", "bee", "sea horse")


def test_a_split_that_no_archive_has_is_said(tmp_path):
    (tmp_path / "docs").mkdir()
    photo(40, 30).save(tmp_path / "docs" / "page.png")
    for split in ("train", "val"):
        with zipfile.ZipFile(tmp_path / f"caltech-160-{split}-00.zip", "w") as archive:
            archive.writestr("crab/1.png", b"")
    with pytest.raises(DataError, match=r"has no split 'nope'; it has 'train', 'val'\.$"):
        open_split("caltech-94", "nope", tmp_path)


def test_an_empty_split_beside_class_folders_is_said(folder):
    (folder / "train" / "val").mkdir()
    with pytest.raises(DataError, match="train/val' has no pictures in class folders and keeps"):
        open_split(str(folder / "train"), "val")
