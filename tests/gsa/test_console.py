"""JSON on stdout: whole or not at all, whatever stdout can say."""

import io
import json
import subprocess
import sys

import pytest

from gsa import commands, probes, scaling
from gsa.__main__ import main
from gsa._console import print_json, say_everything


def test_commands_that_compare_have_the_defaults_of_what_they_run(capsys, monkeypatch):
    monkeypatch.setattr(probes.Probe, "steps", 12321)
    monkeypatch.setattr(scaling.Setting, "limit", 45.5)
    monkeypatch.setitem(probes.TASKS, "chess", probes.draw_same)
    for command, words in (("probe", ("12321", "chess")), ("scaling", ("45.5",))):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert all(word in said for word in words)


def test_the_command_line_starts_without_what_few_commands_need():
    """Each takes up to seconds to import; torch's compiler comes with torchvision, among others."""
    few = {"torchmetrics", "lightning_fabric", "torchvision", "torch._dynamo"}
    code = f"import sys, gsa.__main__; print(*{few} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["\u00e9.jpg", "\u4e2d.jpg", "\udcff.jpg"])
def test_any_name_is_said_in_any_encoding(encoding, name, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    print_json({"file": name})
    out.flush()
    assert json.loads(out.buffer.getvalue().decode()) == {"file": name}


def test_a_number_that_json_does_not_have_leaves_nothing(capsys):
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json(["before", float("nan")])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("errors", "said"), [("strict", b"\\u3070.png\n"), ("surrogateescape", None)]
)
def test_letters_that_stdout_lacks_are_escaped(errors, said, monkeypatch):
    """As a file's name that is printed once the file is there."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=errors)
    monkeypatch.setattr(sys, "stdout", out)
    say_everything()
    if said is None:  # bytes that are no text go out as they came
        print("\udcff", end="")
        said = b"\xff"
    else:
        print("\u3070.png")
    out.flush()
    assert out.buffer.getvalue() == said


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_stdout_is_no_fault(options, monkeypatch):
    monkeypatch.setattr(commands, "info", lambda: {"presets": [], "checkpoints": []})
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["info", *options]) == 0
