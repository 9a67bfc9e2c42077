from pathlib import Path

import nbformat
import pytest

from notebooks import NOTEBOOKS, environment_missing, executed

QUICKEST = "01_quickstart"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem == QUICKEST else pytest.mark.thorough)
        for path in NOTEBOOKS
    ],
)
# jupyter_client leaves closing its sockets to the garbage collector
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_notebook_runs(path: Path) -> None:
    if missing := environment_missing(path):
        pytest.skip(f"{missing} is not set")
    outputs = [output for cell in executed(path).cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)  # and each asserts its own figures
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
