"""JSON on stdout: whole or not at all, whatever stdout can say."""

import io
import json
import sys

import pytest

from gsa import commands
from gsa.__main__ import main
from gsa._console import print_json


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


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_stdout_is_no_fault(options, monkeypatch):
    monkeypatch.setattr(commands, "info", lambda: {"presets": [], "checkpoints": []})
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["info", *options]) == 0
