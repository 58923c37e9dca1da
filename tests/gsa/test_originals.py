"""Data sets of torchvision, on tiny files of their formats; nothing is downloaded."""

import hashlib
import pathlib
import pickle
import shutil
import urllib.error
from dataclasses import replace

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import utils

from gsa.data import KNOWN, open_split
from gsa.split import DataError
from tests.conftest import photo


def write_pickle(path, value):
    """Returns the checksum of the file."""
    path.write_bytes(pickle.dumps(value))
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar_files(root, dataset, names):
    """Files of the right format and their checksums: three lists as the class holds them."""
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    fine = dataset is datasets.CIFAR100
    lists = []
    for listed, count in ((dataset.train_list, 4), (dataset.test_list, 2)):
        entries = []
        for file_name, _ in listed:
            targets = [at % len(names) for at in range(count)]
            entry = {
                "data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
                "fine_labels" if fine else "labels": targets,
            }
            entries.append([file_name, write_pickle(folder / file_name, entry)])
        lists.append(entries)
    meta = dict(dataset.meta)
    meta["md5"] = write_pickle(folder / meta["filename"], {meta["key"]: names})
    return (*lists, meta)


@pytest.fixture(params=["cifar-10", "cifar-100"])
def cifar(request, tmp_path, monkeypatch):
    """(name, root, torchvision's class) of a tiny CIFAR that lies in its place."""
    dataset = {"cifar-10": datasets.CIFAR10, "cifar-100": datasets.CIFAR100}[request.param]
    train, test, meta = cifar_files(tmp_path, dataset, ["maple_tree", "ship"])
    for attribute, value in (("train_list", train), ("test_list", test), ("meta", meta)):
        monkeypatch.setattr(dataset, attribute, value)
    return request.param, tmp_path, dataset


def test_cifar_is_read_as_arrays(cifar):
    name, root, dataset = cifar
    train, val = open_split(name, "train", root), open_split(name, "val", root)
    assert train.labels == val.labels == ("maple tree", "ship")
    assert len(train) == 4 * len(dataset.train_list)
    assert val.targets == (0, 1)
    expected = dataset(root, train=False)
    for picture, (other, _) in zip(val.pictures(), expected, strict=True):
        assert np.array_equal(np.asarray(picture), np.asarray(other))
    assert [tensor.shape for tensor in val.decoded(64)] == [(3, 32, 32)] * 2
    part = train.subset([2, 0])
    assert np.array_equal(np.asarray(next(part.pictures())), list(train.pictures())[2])
    assert not set(train.places) & set(val.places)


def test_a_damaged_cifar_gets_a_sentence(cifar):
    name, root, dataset = cifar
    (root / dataset.base_folder / dataset.test_list[0][0]).write_bytes(b"cut off")
    with pytest.raises(DataError, match="is damaged .* fetch it by `--download`"):
        open_split(name, "train", root)


def picture_files(folder, classes, suffix, count):
    for c, class_ in enumerate(classes):
        (folder / class_).mkdir(parents=True)
        for n in range(count):
            photo(30, 24, seed=100 * c + n).save(folder / class_ / f"image_{n:04}{suffix}")


def test_imagenette_has_its_own_splits(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        picture_files(tmp_path / "imagenette2" / split, ("n01440764", "n03888257"), ".jpeg", count)
    train = open_split("imagenette-original", "train", tmp_path)
    assert train.labels == ("tench", "parachute")
    assert len(train) == 6
    assert len(list(open_split("imagenette-original", "val", tmp_path).pictures())) == 4


def test_an_imagenette_without_pictures_gets_a_sentence(tmp_path):
    picture_files(tmp_path / "imagenette2" / "train", ("n01440764",), ".jpeg", 1)
    with pytest.raises(DataError, match="has no 'val' pictures"):
        open_split("imagenette-original", "val", tmp_path)
    (tmp_path / "imagenette2" / "train" / "n01440764" / "image_0000.jpeg").unlink()
    (tmp_path / "imagenette2" / "train" / "n01440764").rmdir()
    with pytest.raises(DataError, match="cannot be read in"):
        open_split("imagenette-original", "train", tmp_path)


def test_a_fifth_of_each_class_of_caltech_is_val(tmp_path):
    folder = tmp_path / "caltech101" / "101_ObjectCategories"
    picture_files(folder, ("BACKGROUND_Google", "Faces", "Faces_easy", "water_lilly"), ".jpg", 10)
    train, val = (open_split("caltech-101", split, tmp_path) for split in ("train", "val"))
    assert train.labels == val.labels == ("person", "face", "water lily")
    assert train.targets == (0,) * 8 + (1,) * 8 + (2,) * 8
    assert val.targets == (0, 0, 1, 1, 2, 2)
    assert not set(train.places) & set(val.places)
    assert val == open_split("caltech-101", "val", tmp_path)
    drawn = [{name for _, name in val.places[at : at + 2]} for at in (0, 2, 4)]
    assert len(set(map(frozenset, drawn))) > 1  # not the first of every class


def tiny_imagenet_files(root):
    """Three classes as in Stanford's archive; two have their first name in common."""
    folder = root / "tiny-imagenet-200"
    classes = ("n01", "n02", "n03")
    for class_ in classes:
        picture_files(folder / "train", (f"{class_}/images",), ".JPEG", 2)
        (folder / "train" / class_ / f"{class_}_boxes.txt").write_text("x.JPEG\t0\t0\t62\t63\n")
    picture_files(folder / "val", ("images",), ".JPEG", 3)
    rows = (f"image_{n:04}.JPEG\tn0{3 - n}\t0\t0\t62\t63\n" for n in range(3))
    (folder / "val" / "val_annotations.txt").write_text("".join(rows))
    words = "n00\tnot here\nn01\tcrane, bird\nn02\tgoldfish, carp\nn03\tcrane, machine\n"
    (folder / "words.txt").write_text(words)
    return folder


def test_tiny_imagenet_is_read_as_its_archive_has_it(tmp_path):
    tiny_imagenet_files(tmp_path)
    train, val = (open_split("tiny-imagenet", split, tmp_path) for split in ("train", "val"))
    assert train.labels == val.labels == ("crane, bird", "goldfish", "crane, machine")
    assert train.targets == (0, 0, 1, 1, 2, 2)
    assert dict(zip(val.names, val.targets, strict=True)) == {
        "image_0000.JPEG": 2, "image_0001.JPEG": 1, "image_0002.JPEG": 0
    }  # fmt: skip
    assert [picture.size for picture in val.pictures()] == [(30, 24)] * 3
    assert not set(train.places) & set(val.places)


def test_a_tiny_imagenet_that_lacks_a_table_gets_a_sentence(tmp_path):
    (tiny_imagenet_files(tmp_path) / "val" / "val_annotations.txt").unlink()
    with pytest.raises(DataError, match="Tiny ImageNet .* cannot be read in .*val_annotations"):
        open_split("tiny-imagenet", "val", tmp_path)


def test_tiny_imagenet_is_unpacked_once(tmp_path, monkeypatch):
    source = tiny_imagenet_files(tmp_path / "source")
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", source.parent, source.name)
    fetched = []

    def retrieve(url, path, *rest, **options):
        fetched.append(url)
        shutil.copy(archive, path)

    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(utils, "_urlretrieve", retrieve)
    root = tmp_path / "new"
    with pytest.raises(DataError, match="is damaged"):  # another checksum than Stanford's
        open_split("tiny-imagenet", "train", root, download=True)
    md5 = hashlib.md5(pathlib.Path(archive).read_bytes()).hexdigest()
    monkeypatch.setitem(KNOWN, "tiny-imagenet", replace(KNOWN["tiny-imagenet"], md5=md5))
    for split, count in (("train", 6), ("val", 3)):
        assert len(open_split("tiny-imagenet", split, root, download=True)) == count
    assert fetched == ["http://cs231n.stanford.edu/tiny-imagenet-200.zip"]
    assert sorted(path.name for path in root.iterdir()) == [
        "tiny-imagenet-200",
        "tiny-imagenet-200.zip",
    ]


def test_a_tiny_imagenet_whose_unpacking_was_broken_off_is_not_taken_for_whole(
    tmp_path, monkeypatch
):
    def broken_off(url, root, to, **options):
        pictures = pathlib.Path(to) / "tiny-imagenet-200" / "train" / "n01" / "images"
        pictures.mkdir(parents=True)
        (pictures / "n01_0.JPEG").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("gsa.originals.download_and_extract_archive", broken_off)
    with pytest.raises(KeyboardInterrupt):
        open_split("tiny-imagenet", "train", tmp_path, download=True)
    with pytest.raises(DataError):
        open_split("tiny-imagenet", "train", tmp_path)


ORIGINALS = ["cifar-10", "cifar-100", "caltech-101", "imagenette-original", "tiny-imagenet"]


@pytest.mark.parametrize("name", ORIGINALS)
def test_what_is_absent_is_fetched_on_request_alone(name, tmp_path):
    with pytest.raises(DataError, match=rf"is not in '{tmp_path}'; `--download` fetches it there"):
        open_split(name, "train", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_download_that_fails_gets_a_sentence(name, tmp_path, monkeypatch, capsys):
    def unreachable(*arguments, **options):
        print("Downloading")
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(datasets.CIFAR10, "download", unreachable)
    monkeypatch.setattr(datasets.Caltech101, "download", unreachable)
    monkeypatch.setattr(datasets.Imagenette, "_download", unreachable)
    monkeypatch.setattr("gsa.originals.download_and_extract_archive", unreachable)
    with pytest.raises(DataError, match="cannot be fetched into .*no route to host"):
        open_split(name, "train", tmp_path / "new", download=True)
    assert capsys.readouterr().out == ""  # stdout is for results


def test_a_download_is_read_at_once(tmp_path, monkeypatch):
    def download(self):
        split = f"{self.root}/imagenette2/{self._split}"
        picture_files(type(tmp_path)(split), ("n03394916",), ".jpeg", 2)

    monkeypatch.setattr(datasets.Imagenette, "_download", download)
    split = open_split("imagenette-original", "train", tmp_path / "new", download=True)
    assert split.labels == ("French horn",)


@pytest.mark.parametrize("name", ORIGINALS)
def test_another_split_is_refused(name, tmp_path):
    with pytest.raises(DataError, match="has no split 'test'; it has 'train' and 'val'"):
        open_split(name, "test", tmp_path)


def test_a_stored_set_is_not_downloaded(tmp_path):
    with pytest.raises(DataError, match="Caltech-94 .* cannot be downloaded"):
        open_split("caltech-94", "train", tmp_path, download=True)
    picture_files(tmp_path / "train", ("brain",), ".jpg", 2)
    assert len(open_split("caltech-94", "train", tmp_path, download=True)) == 2


def test_every_known_set_says_its_terms():
    assert all(known.title and known.terms for known in KNOWN.values())
