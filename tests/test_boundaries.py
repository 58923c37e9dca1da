"""Who may import whom. The direction of the data is the architecture."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(source):
    """Top-level and dotted names of all modules that a source text imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def offenders(pattern, forbidden):
    """Files whose imports begin with a forbidden name."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(ROOT.glob(pattern))
        for name in imported(path.read_text(encoding="utf-8"))
        if any(name == each or name.startswith(f"{each}.") for each in forbidden)
    ]


RULES = [
    ("gsa/*.py", ("app", "streamlit", "plotly")),
    ("gsa/[!_]*.py", ("gsa.train", "gsa.ablation", "gsa._console")),
    ("gsa/split.py", ("gsa.data", "gsa.originals")),
    ("gsa/report*.py", ("captum", "gsa.run", "lightning_fabric", "torchmetrics")),
    ("gsa/config.py", ("torch", "gsa")),
    ("gsa/formulas.py", ("gsa",)),
    ("gsa/attention.py", ("gsa.resnet", "gsa.record", "gsa.maps")),
    ("gsa/maps.py", ("torch",)),
    ("gsa/ranges.py", ("torch",)),
    ("app/*/**/*.py", ("torch",)),
    ("app/panels.py", ("torch", "streamlit.runtime")),
    ("app/figures/*.py", ("streamlit", "torch", "app.state", "app.resources", "gsa")),
    ("app/components/*.py", ("gsa", "app.resources", "app.state")),
    ("app/**/*.py", ("gsa.train", "gsa.run", "gsa.data", "gsa.attention", "gsa.formulas")),
]


@pytest.mark.parametrize(("pattern", "forbidden"), RULES, ids=[pattern for pattern, _ in RULES])
def test_imports_go_one_way(pattern, forbidden):
    assert list(ROOT.glob(pattern))
    assert offenders(pattern, forbidden) == []


def modules():
    """Every module of the project with what it imports, late imports too; not `gsa` and `app`."""
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for top in ("gsa", "app")
        for path in (ROOT / top).rglob("*.py")
    }
    return {
        name: {each for each in imported(path.read_text(encoding="utf-8")) if each in sources}
        - {name, "gsa", "app"}  # what a package hands on is imported from it, and from within it
        for name, path in sources.items()
        if name not in ("gsa", "app")
    }


def test_no_module_imports_itself_by_way_of_others():
    graph = modules()
    assert len(graph) > 80
    TopologicalSorter(graph).prepare()
    planted = graph | {"gsa.formulas": {"gsa.attention"}}
    with pytest.raises(CycleError):
        TopologicalSorter(planted).prepare()


def test_a_planted_import_is_found():
    planted = "def late():\n    from app.state import show\n    import torch.nn as nn\n"
    assert {"app.state", "app.state.show", "torch.nn"} <= imported(planted)


def test_importing_the_core_does_not_load_the_app():
    code = "import gsa, sys; print({'streamlit', 'plotly', 'app'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_caches_and_session_state_have_one_place_each():
    places = {
        "st.cache_": {"resources.py", "experiments.py", "compare_results.py"},
        "st.session_state": {"state.py"},
    }
    for words, place in places.items():
        users = {
            path.name
            for path in (ROOT / "app").rglob("*.py")
            if words in path.read_text(encoding="utf-8").split('"""', 2)[-1]
        }
        assert users == place
