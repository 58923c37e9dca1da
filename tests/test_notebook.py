"""The example notebook runs from top to bottom with the shipped checkpoints."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from gsa import available

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_a_notebook_runs_and_was_shipped_with_its_results(path):
    assert "caltech94_gsa" in available()
    notebook = nbformat.read(path, as_version=4)
    shipped = [bool(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": path.parent}}).execute()
    fresh = [bool(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    assert shipped == fresh


def test_there_is_a_notebook():
    assert EXAMPLES
