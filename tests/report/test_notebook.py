"""The notebook of the examples runs from top to bottom, and holds what it gave when it was last run."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from waiting import PATIENCE

pytestmark = pytest.mark.slow

PATH = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def outputs(notebook, kind):
    """What the cells give of a kind, such as text/html."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(PATH, as_version=4)


# ipykernel and zmq, outside of any code of ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_and_shows_the_result(stored, tmp_path) -> None:
    notebook = nbformat.read(PATH, as_version=4)
    NotebookClient(
        notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    for each in (notebook, stored):
        summary, table = outputs(each, "text/html")
        assert re.search(r"\+\d+\.\d points on valset", summary)
        assert "<table" in table
        assert len(outputs(each, "image/png")) == 1
    assert outputs(notebook, "text/html")[0] == outputs(stored, "text/html")[0], (
        "jupyter execute --inplace examples/notebook.ipynb"
    )


def test_the_stored_notebook_is_small_and_tells_nothing_of_where_it_was_made(stored) -> None:
    text = PATH.read_text(encoding="utf-8")
    assert len(text) < 150_000
    for secret in ("/home/", "/root", "/work", "/tmp/", "/Users/", "Traceback", "stderr"):
        assert secret not in text, secret
    assert "simulated" in stored.cells[0].source
    assert all(cell.outputs or cell.execution_count for cell in stored.cells if cell.cell_type == "code")
