"""The command `maps`: what it writes, under which names, and that it loses no file."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gsa import checkpoints
from gsa.__main__ import main
from gsa.baselines import untrained
from gsa.machine import PROJECT, version_of
from tests.conftest import photo


@pytest.fixture
def image(tmp_path, tiny_checkpoints):
    path = tmp_path / "blobs.jpg"
    photo().save(path)
    return str(path)


def run(capsys, *arguments):
    """Exit status, parsed JSON (or None), and what went to stderr."""
    status = main([*arguments, "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, err


def test_maps_are_written_with_their_provenance(capsys, image, tmp_path):
    out = tmp_path / "out"
    status, found, _ = run(capsys, "maps", image, "--query", "20", "41", "--out", str(out))
    assert status == 0
    assert sorted(path.suffix for path in out.iterdir()) == [".html", ".npz", ".png", ".svg"]
    assert len(found["written"]) == 4
    assert len(found["maps"]) == 8
    archive = np.load(next(out.glob("*.npz")))
    provenance = json.loads(str(archive["provenance"]))
    assert provenance["checkpoint"] == "tiny_gsa"
    assert provenance["place"] == [20, 41]
    assert len(provenance["weights_sha256"]) == len(provenance["picture_sha256"]) == 64
    assert archive["content_2.1"].shape == (4, 16, 16)
    assert tuple(archive["cells_2.1"]) == (5, 10, 6, 11)
    assert archive["error_positional_2.1"] < 1e-5
    lengths = archive["contribution_content_2.1"] / np.abs(archive["content_2.1"])  # of values
    assert lengths.shape == (4, 16, 16)
    assert (lengths > 0).all()
    assert provenance["weights_sha256"] in next(out.glob("*.html")).read_text()
    assert next(out.glob("*.png")).read_bytes().startswith(b"\x89PNG")


def test_the_provenance_of_maps_says_what_of_the_photo_is_seen_and_where(capsys, image, tmp_path):
    arguments = ["--query", "20", "41", "--layer", "2.1", "--head", "1", "--out", str(tmp_path)]
    _, found, _ = run(capsys, "maps", image, *arguments)
    (path,) = (path for path in found["written"] if path.endswith("png"))
    said = json.loads(Image.open(path).text["Description"])
    width, height = Image.open(image).size
    assert width > height
    assert said == {
        "checkpoint": "tiny_gsa",
        "weights_sha256": checkpoints.read_card("tiny_gsa").sha256,
        "picture": Path(image).name,
        "picture_sha256": hashlib.sha256(Path(image).read_bytes()).hexdigest(),
        "crop_box": [(width - height) / 2, 0, (width + height) / 2, height],
        "place": [20, 41],
        "layers": ["2.1"],
        "heads": "head 1",
        "scale": "each map its own, printed",
        "region": None,
        "direction": "from",
        "value": "weight",
        "gsa_version": version_of(PROJECT),
        "torch_version": torch.__version__,
    }


def test_maps_of_other_heads_and_layers_lie_beside_the_first(capsys, image, tmp_path):
    place = [image, "--query", "20", "41", "--out", str(tmp_path)]
    asked = ([], ["--head", "0"], ["--head", "1", "--layer", "2.1"], ["--layer", "2.1"])
    written = [run(capsys, "maps", *place, *options)[1]["written"] for options in asked]
    assert len({path for paths in written for path in paths}) == 4 * len(asked)


def test_maps_of_another_picture_or_place_have_other_names(capsys, tmp_path, tiny_checkpoints):
    written = []
    for name, row in (("cat.jpg", "20"), ("cat.png", "20"), ("cat.png", "20.12345678")):
        photo().save(tmp_path / name)
        arguments = [str(tmp_path / name), "--query", row, "41.5", "--layer", "4.1"]
        _, found, _ = run(capsys, "maps", *arguments, "--out", str(tmp_path / "out"))
        written.append(Path(found["written"][0]).name)
    assert written == [
        "cat_jpg_20_41.5_tiny_gsa_4.1.png",
        "cat_png_20_41.5_tiny_gsa_4.1.png",
        "cat_png_20.12345678_41.5_tiny_gsa_4.1.png",
    ]


def test_maps_of_another_picture_of_the_same_name_are_not_lost(capsys, tmp_path, tiny_checkpoints):
    out = ["--layer", "4.1", "--out", str(tmp_path / "out")]
    for folder, seed in (("one", 0), ("two", 1)):
        (tmp_path / folder).mkdir()
        photo(seed=seed).save(tmp_path / folder / "cat.png")
    asked = {name: [str(tmp_path / name / "cat.png"), "--query", "20", "41", *out] for name in
             ("one", "two")}  # fmt: skip
    assert run(capsys, "maps", *asked["one"])[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    status, found, err = run(capsys, "maps", *asked["two"])
    assert (status, found) == (2, None)
    assert "has the maps of another picture called 'cat.png'" in err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert run(capsys, "maps", *asked["one"])[0] == 0


def test_maps_by_another_default_checkpoint_lie_beside_the_first(
    capsys, image, tmp_path, checkpoint_folder, monkeypatch
):
    folder, out = tmp_path / "checkpoints", tmp_path / "out"
    shutil.copytree(checkpoint_folder, folder)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    asked = [image, "--query", "20", "41", "--layer", "4.1", "--out", str(out)]
    _, first, _ = run(capsys, "maps", *asked)
    assert "tiny_gsa" in Path(first["written"][0]).name
    before = {path: path.read_bytes() for path in out.iterdir()}
    old = checkpoints.load("tiny_gsa")
    new = untrained(old.card, seed=7).model
    checkpoints.save(new, replace(old.card, name="tiny_new", pair="new"), folder)
    assert run(capsys, "maps", *asked, "--checkpoint", "tiny_new")[0] == 0
    assert {path: path.read_bytes() for path in before} == before
    checkpoints.save(new, old.card, folder)  # trained again under the same name
    status, _, err = run(capsys, "maps", *asked)
    assert (status, err.count("\n")) == (2, 1)
    assert "has maps by other weights, of checkpoint 'tiny_gsa'" in err
    assert {path: path.read_bytes() for path in before} == before


def test_maps_that_a_kill_left_in_part_are_made_whole(capsys, image, tmp_path, monkeypatch):
    out = tmp_path / "out"
    asked = [image, "--query", "20", "41", "--layer", "4.1", "--out", str(out)]
    rename, renamed = Path.replace, []

    def killed(path, target):
        if len(renamed) == 2:
            raise KeyboardInterrupt
        renamed.append(target)
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        assert main(["maps", *asked]) == 130
    assert len(list(out.iterdir())) == 2
    capsys.readouterr()
    assert run(capsys, "maps", *asked)[0] == 0
    assert len(list(out.iterdir())) == 4


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_maps_do_not_replace_what_nobody_knows(capsys, image, tmp_path, kind):
    other = tmp_path / f"blobs_jpg_0_41_tiny_gsa_4.1.{kind}"  # of the place -0, 41 as well
    for data in (b"", b"somebody's", None):
        if data is None:
            other.unlink()
            other.mkdir()
        else:
            other.write_bytes(data)
        asked = ["--query", "-0", "41", "--layer", "4.1", "--out", str(tmp_path)]
        status, _, err = run(capsys, "maps", image, *asked)
        assert (status, err.count("\n")) == (2, 1)
        assert f"{str(other)!r} is there already, and no archive of maps" in err
        assert len(list(tmp_path.iterdir())) == 2


def test_maps_of_a_file_whose_name_is_not_utf_8(capsys, tmp_path, tiny_checkpoints):
    image = tmp_path / os.fsdecode(b"\xff.jpg")
    photo().save(image)
    out = str(tmp_path / "out")
    status, found, err = run(capsys, "maps", str(image), "--query", "1", "1", "--out", out)
    assert (status, err) == (0, "")
    assert {Path(path).stem for path in found["written"]} == {"?_jpg_1_1_tiny_gsa"}
    archive = np.load(tmp_path / "out" / "?_jpg_1_1_tiny_gsa.npz")
    assert json.loads(str(archive["provenance"]))["picture"] == "?.jpg"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--query", "64", "0"], "must lie inside the 64 x 64 pixels"),
        (["--query", "-1e-3", "5"], "(-0.001, 5) must lie inside"),
        (["--query", "5", "-inf"], "(5, -inf) must lie inside"),
        (["--query", "1", "1", "--layer", "7.7"], "there is no layer '7.7'"),
        (["--query", "1", "1", "--layer", ""], "there is no layer ''"),
        (["--query", "1", "1", "--head", "4"], "`head` (=4) must be from 0 to 3"),
        (["--query", "1", "1", "--checkpoint", "x"], "there is no checkpoint 'x'"),
        (["--query", "1", "1", "--checkpoint", "tiny_conv"], "has no attention maps"),
    ],
)
def test_bad_input_to_maps_gets_a_sentence(capsys, image, tmp_path, arguments, sentence):
    status, found, err = run(capsys, "maps", image, *arguments, "--out", str(tmp_path / "out"))
    assert (status, found) == (2, None)
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_takes_no_maps_is_named(capsys, image, tmp_path):
    (tmp_path / "file").write_text("")
    for out, sentence in (
        (str(tmp_path / "file"), "file' is a file; name a folder for the results"),
        ("/proc", "gsa: '/proc' cannot be used"),  # is there, and takes no file
    ):
        status, _, err = run(capsys, "maps", image, "--query", "5", "5", "--out", out)
        assert status == 2
        assert sentence in err


def test_maps_of_a_file_whose_name_stdout_and_the_font_lack(tmp_path, tiny_checkpoints):
    photo().save(tmp_path / "\u3070.jpg")
    asked = [str(tmp_path / "\u3070.jpg"), "--query", "1", "1", "--layer", "4.1"]
    done = subprocess.run(
        [sys.executable, "-m", "gsa", "maps", *asked, "--out", str(tmp_path)],
        capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4
    assert "/\\u3070_jpg_1_1_tiny_gsa_4.1.png" in done.stdout
