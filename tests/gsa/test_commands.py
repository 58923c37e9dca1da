import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from gsa import checkpoints, commands, maps
from gsa.__main__ import main
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


def test_info_lists_presets_and_cards(capsys, tiny_checkpoints):
    status, found, _ = run(capsys, "info")
    assert status == 0
    presets = {preset["name"]: preset for preset in found["presets"]}
    assert presets["gsa_resnet50"] == {
        "name": "gsa_resnet50", "params": 18052856, "flops": 7170433024, "input_size": 224
    }  # fmt: skip
    assert "resnet50" in presets
    assert [card["name"] for card in found["checkpoints"]] == ["tiny_conv", "tiny_gsa"]


def test_info_says_what_cannot_be_used_and_where_nothing_is(
    capsys, tmp_path, tiny_checkpoints, monkeypatch
):
    assert main(["info"]) == 0
    assert "cannot be used" not in capsys.readouterr().out
    assert not any("error" in card for card in run(capsys, "info")[1]["checkpoints"])
    weights = checkpoints.folder() / "tiny_gsa.safetensors"
    monkeypatch.setattr(weights.__class__, "read_bytes", lambda path: b"no weights")
    assert main(["info"]) == 0
    assert (
        "tiny_gsa: gsa, 5 classes, cannot be used: tiny_gsa.safetensors" in capsys.readouterr().out
    )
    _, found, _ = run(capsys, "info")
    for card in found["checkpoints"]:  # the card is there, and the sentence of the text beside it
        assert card["error"].startswith(f"tiny_{card['mixer']}.safetensors")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path / "nowhere"))
    assert main(["info"]) == 0
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().out
    (tmp_path / "nowhere").mkdir()
    assert main(["info"]) == 0
    assert f"no checkpoints in {tmp_path / 'nowhere'}" in capsys.readouterr().out


def test_one_broken_card_is_named_and_the_others_are_used(
    capsys, checkpoint_folder, tmp_path, image, monkeypatch
):
    folder = tmp_path / "with a broken one"
    shutil.copytree(checkpoint_folder, folder)
    (folder / "broken.safetensors").touch()
    (folder / "broken.json").write_text('{"data": {}}')
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    status, found, _ = run(capsys, "info")
    assert status == 0
    sentence = "of checkpoint 'broken', the card has no entry 'network'."
    assert found["checkpoints"][0] == {"name": "broken", "error": sentence}
    assert [card["name"] for card in found["checkpoints"][1:]] == ["tiny_conv", "tiny_gsa"]
    assert main(["info"]) == 0
    assert f"checkpoint broken: cannot be used: {sentence}" in capsys.readouterr().out
    status, found, _ = run(capsys, "classify", image)
    assert (status, found[0]["checkpoint"]) == (0, "tiny_gsa")


def test_classify_gives_the_best_classes(capsys, image):
    status, found, _ = run(capsys, "classify", image, "--top", "3")
    assert status == 0
    (result,) = found
    assert (result["file"], result["checkpoint"]) == (image, "tiny_gsa")
    assert result["milliseconds"] > 0
    shares = [entry["probability"] for entry in result["top"]]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    _, every, _ = run(capsys, "classify", image, "--top", "99")
    assert sum(entry["probability"] for entry in every[0]["top"]) == pytest.approx(1)


def test_classify_goes_on_after_a_bad_file(capsys, image, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    status, found, err = run(capsys, "classify", str(bad), image)
    assert status == 2
    assert set(found[0]) == {"file", "error"}
    assert "top" in found[1]
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_gets_a_sentence(capsys, image, tmp_path):
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file" / "out")
    status, _, err = run(capsys, "maps", image, "--query", "1", "1", "--out", out)
    assert status == 2
    assert err.count("\n") == 1
    assert "cannot be used" in err
    status, _, err = run(capsys, "report", "--folder", str(tmp_path / "nowhere"))
    assert status == 2
    assert err.count("\n") == 1


def test_a_folder_in_the_way_of_a_file_is_named(capsys, tmp_path, tiny_checkpoints):
    page = tmp_path / "checkpoints" / "README.md"
    shutil.copytree(checkpoints.folder(), page.parent)
    page.mkdir()
    status, _, err = run(capsys, "report", "--folder", str(page.parent))
    assert (status, err) == (2, f"gsa: {str(page)!r} cannot be used (Is a directory).\n")


def test_a_machine_without_a_gpu_is_no_news(tiny_checkpoints):
    done = subprocess.run(
        [sys.executable, "-m", "gsa", "scaling", "--sizes", "32", "--limit", "0.001"],
        capture_output=True, text=True, env=os.environ | {"CUDA_HOME": "/usr/local"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_receptive_fields_say_what_is_no_folder(capsys, image):
    status, _, err = run(capsys, "erf", "--pictures", image)
    assert (status, err) == (2, f"gsa: {image!r} cannot be used (Not a directory).\n")


def test_a_test_that_is_named_twice_is_made_once(capsys, tiny_checkpoints, monkeypatch):
    asked = []
    monkeypatch.setattr("gsa.samples.from_folder", lambda *_: None)
    monkeypatch.setattr("gsa.robustness.scores", lambda *given: asked.append(given[2]) or [])
    assert run(capsys, "stress", "x", "--tests", "shuffle", "shift", "shuffle")[0] == 0
    assert asked == [("shuffle", "shift")]


def test_a_conv_network_has_no_ranges(capsys, image):
    status, _, err = run(capsys, "range", image, "--checkpoint", "tiny_conv")
    assert status == 2
    assert "is a conv network" in err


def test_an_empty_name_is_no_default(capsys, image):
    for command in (["classify", image], ["verify"]):
        status, _, err = run(capsys, *command, "--checkpoint", "")
        assert status == 2
        assert "there is no checkpoint ''" in err


def test_a_conv_network_proves_nothing(capsys, tiny_checkpoints):
    status, _, err = run(capsys, "verify", "--checkpoint", "tiny_conv")
    assert status == 2
    assert "has no maps to prove" in err


def test_a_folder_of_conv_networks_is_not_verified(
    capsys, tmp_path, monkeypatch, checkpoint_folder
):
    for path in checkpoint_folder.glob("tiny_conv.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    status, _, err = run(capsys, "verify")
    assert status == 2
    assert f"no checkpoint in {tmp_path} has maps to prove" in err


def gpu_is_full():
    raise torch.OutOfMemoryError("Tried to allocate 3 TiB.")


@pytest.mark.parametrize(
    "too_much", [lambda: bytearray(2**60), lambda: torch.empty(2**50), gpu_is_full]
)
def test_too_little_memory_gets_a_sentence(capsys, image, monkeypatch, too_much):
    def fail(*_, **__):
        too_much()

    monkeypatch.setattr(commands, "record", fail)
    status, _, err = run(capsys, "classify", image)
    assert status == 2
    assert err == "gsa: there is not enough memory for this; choose a smaller batch or input.\n"


def test_a_step_larger_than_the_grid_leaves_one_query(capsys, image):
    status, found, _ = run(capsys, "range", image, "--step", "1000")
    assert status == 0
    assert {row["queries"] for row in found} == {1}


def test_verify_passes_on_every_checkpoint(capsys, tiny_checkpoints):
    status, found, _ = run(capsys, "verify")
    assert status == 0
    assert {result["checkpoint"] for result in found} == {"tiny_gsa"}
    assert {result["layer"] for result in found} == {"1.1", "2.1", "3.1", "4.1"}
    assert {result["dtype"] for result in found} == {"float32", "float64"}
    assert len({(result["height"], result["width"]) for result in found}) == 2
    assert all(result["max_rel_error"] <= result["tolerance"] for result in found)


def test_verify_says_what_is_broken_and_goes_on(capsys, checkpoint_folder, tmp_path, monkeypatch):
    folder = tmp_path / "with a broken one"
    shutil.copytree(checkpoint_folder, folder)
    for suffix in (".json", ".safetensors"):  # one before and one after that which can be used
        (folder / f"broken{suffix}").write_text("{}")
        shutil.copy(folder / f"tiny_gsa{suffix}", folder / f"worse{suffix}")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    status, found, err = run(capsys, "verify", "--queries", "1")
    assert status == 2
    assert {result["checkpoint"] for result in found} == {"tiny_gsa"}
    assert not any("error" in result for result in found)
    first, second, last = err.splitlines()
    assert first == "gsa: of checkpoint 'broken', the card has no entry 'network'."
    assert second == "gsa: the card of checkpoint 'worse' gives its name as 'tiny_gsa'."
    assert last == f"{len(found)} proofs, 0 failed"
    status, found, err = run(capsys, "verify", "--queries", "1", "--checkpoint", "worse")
    assert (status, found, err) == (2, None, second + "\n")


def test_verify_fails_when_a_formula_is_broken(capsys, tiny_checkpoints, monkeypatch):
    right = maps.column_weights
    monkeypatch.setattr(maps, "column_weights", lambda layer, row: right(layer, row)[:, ::-1])
    status, found, _ = run(capsys, "verify", "--checkpoint", "tiny_gsa", "--queries", "3")
    assert status == 1
    assert not all(result["passed"] for result in found)


def test_range_counts_cells(capsys, image):
    assert main(["range", image]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.endswith("effective cells")
    assert {len(row) for row in rows} == {len(header)}


def test_range_measures_every_head(capsys, image):
    status, found, _ = run(capsys, "range", image)
    assert status == 0
    assert len(found) == 4 * 2 * 4
    assert all(row["queries"] > 1 or row["layer"] == "4.1" for row in found)
    _, here, _ = run(capsys, "range", image, "--query", "3", "60")
    assert all(row["queries"] == 1 for row in here)
    assert all(row["mean_distance"] > 0 for row in here)


@pytest.mark.parametrize(
    "arguments", [["classify", "x.jpg", "--top", "0"], ["verify", "--queries", "0"]]
)
def test_numbers_out_of_range_get_a_sentence(capsys, tiny_checkpoints, arguments):
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert "(=0) must be at least 1" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dream"], "argument COMMAND: invalid choice: 'dream'"),
        (["classify", "x.jpg", "--top", "few"], "argument --top: invalid int value: 'few'"),
        (["maps", "x.jpg"], "the following arguments are required: --query"),
        (["range", "x.jpg", "--query", "1", "1", "--step", "2"], "argument --step: not allowed wi"),
        (["info", "--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_bad_arguments_get_a_sentence(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith(f"gsa: {sentence}")
    assert err.endswith(".\n")
    assert err.count("\n") == 1


def test_without_checkpoints_there_is_a_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GSA_CHECKPOINTS", str(tmp_path))
    for command in (["classify", "x.jpg"], ["verify"]):
        status, _, err = run(capsys, *command)
        assert status == 2
        assert "there is no" in err


def test_the_module_runs_as_a_program(image):
    done = subprocess.run(
        [sys.executable, "-m", "gsa", "classify", image, "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["checkpoint"] == "tiny_gsa"


def test_ctrl_c_ends_with_one_word(capsys, tiny_checkpoints, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "info", interrupted)
    assert main(["info"]) == 130
    assert capsys.readouterr() == ("", "stopped\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_fault(tiny_checkpoints, unbuffered):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gsa", "info"], stdout=write, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
