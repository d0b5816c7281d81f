"""From Python: the notebook of the documents runs, and wrong arguments are refused at once."""

import asyncio
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.warm import Warm
from IPython.core.interactiveshell import InteractiveShell

import analysis
import search
from search import run_search
from trainable.errors import InputError

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


async def cells_run(folder: Path) -> list[tuple[str, str]]:
    """What each cell of code prints, and shows of its last line, inside a loop as in a kernel."""
    shell = InteractiveShell(ipython_dir=str(folder / "ipython"))
    assert shell.display_formatter
    found = []
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            with contextlib.redirect_stdout(io.StringIO()) as said:
                done = await shell.run_cell_async(
                    source, transformed_cell=shell.transform_cell(source)
                )
            done.raise_error()
            shown, _ = shell.display_formatter.format(done.result)
            found.append((said.getvalue(), str(shown)))
    return found


@pytest.fixture
def warm_python(warm: Warm) -> Iterator[None]:
    """A search's process begins with all imported."""
    with warm.python():
        yield


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("warm_python")
def test_the_notebook_of_the_documents_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a kernel
    _, search, trials, scores, predictions = asyncio.run(cells_run(tmp_path))
    assert "4 of 4 trials ended, best F1 " in search[0]
    assert "winner: " in search[0]
    assert "expected F1 0." in search[1]
    assert "squeezenet1_1" in trials[1]
    for column in ("patient", "label", "score", "predicted"):
        assert column in scores[1]
    assert "prediction" in predictions[1]


def test_wrong_arguments_are_named_at_once_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="trails is no option of a search; did you mean 'trials'"):
        run_search("x.csv", trails=3)
    with pytest.raises(InputError) as refusal:
        run_search("x.csv", trials=0, folds=1)
    assert refusal.value.problems == (
        "folds must be at least 2 (got 1)",
        "trials must be at least 1 (got 0)",
    )


@pytest.mark.usefixtures("warm_python")
def test_what_the_search_refuses_comes_problem_by_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        run_search(tmp_path / "none.csv", weights=str(tmp_path / "none.pth"), progress=False)
    problems = refusal.value.problems
    assert len(problems) > 1
    assert any("none.csv" in problem for problem in problems)
    assert not any("problems to fix" in problem for problem in problems)


@pytest.mark.usefixtures("warm_python")
def test_a_refusal_speaks_of_arguments_and_not_of_options(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").touch()
    with pytest.raises(InputError, match=r"out must be .*: go on with it by resume, or"):
        run_search("demo", out=tmp_path / "run", progress=False)


def test_the_names_that_python_users_import_are_these() -> None:
    assert search.__all__ == ["SearchResult", "read_run", "run_search"]
    assert analysis.__all__ == ["Team", "load_model"]
    for package in (search, analysis):
        assert all(callable(getattr(package, name)) for name in package.__all__)
        with pytest.raises(AttributeError):
            _ = package.nothing
