"""Every notebook runs top to bottom on its small data, shows what it found, uses public functions only."""

from __future__ import annotations

import ast
import resource
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbmake.nb_run import NotebookRun

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OURS = {"features", "models", "policy", "ledger", "training", "serving"}
SECONDS = 30.0  # of processor time; how long others make it wait is not the notebook's doing
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_every_notebook_has_its_script():
    assert [path.name[0] for path in NOTEBOOKS] == list("123456")
    assert {path.stem for path in NOTEBOOKS} == {path.stem for path in FOLDER.glob("*.py")}


@by_name
def test_a_notebook_runs_top_to_bottom_in_half_a_minute_and_shows_pictures(path):
    before = _seconds()
    done = NotebookRun(path, default_timeout=300).execute()
    assert done.error is None, done.error.trace[-3000:]
    pictures = [
        out for cell in done.nb.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})
    ]
    assert pictures, "a notebook shows what it found"
    assert _seconds() - before < SECONDS


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@by_name
def test_a_notebook_and_its_script_are_one_and_neither_holds_output(path):
    """The script is what is reviewed; `jupytext --sync notebooks/*.ipynb` brings the other up to date."""
    notebook, script = nbformat.read(path, as_version=4), jupytext.read(path.with_suffix(".py"))
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit notebooks without their output"
    assert all(cell.get("execution_count") is None for cell in notebook.cells if cell.cell_type == "code")
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in script.cells
    ]


@by_name
def test_a_notebook_uses_public_functions_only(path):
    """No import of a name, and no attribute, that begins with an underscore; nothing from the tests."""
    tree = ast.parse(path.with_suffix(".py").read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    roots = {(node.module or "").split(".")[0] for node in imported}
    names = [alias.name for node in imported for alias in node.names]
    private = [
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr[0] == "_"
    ]
    assert not [name for name in (*names, *private) if name.startswith("_")]
    assert roots & OURS
    assert not roots & {"tests", "benchmarks", "examples"}
