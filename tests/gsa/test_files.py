import json

import numpy as np
import pytest

from gsa.files import json_ready, whole_file


def test_a_file_is_replaced_only_when_it_is_whole(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def broken():
        with whole_file(path) as partial:
            partial.write_text("ne")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert path.read_text() == "old"
    with whole_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_that_json_does_not_have_become_none():
    values = {"a": 1.5, "b": float("nan"), "c": np.float64("-inf"), "d": "nan", "e": 3, "f": None}
    ready = json_ready(values)
    assert ready == {"a": 1.5, "b": None, "c": None, "d": "nan", "e": 3, "f": None}
    assert json.loads(json.dumps(ready, allow_nan=False)) == ready
