"""From Python: a notebook of the documents runs, and wrong arguments are refused at once."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import analysis
import search
from search import run_search
from trainable.errors import InputError

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


@pytest.mark.timeout(280)
def test_the_notebook_of_the_documents_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=200, resources=resources).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = "".join(str(one.get("text", "")) for one in code[1].outputs)
    assert "4 of 4 trials ended, best F1 " in said
    assert "winner: " in said
    assert "expected F1 0." in str(code[1].outputs[-1])
    assert "squeezenet1_1" in str(code[2].outputs[-1])
    for column in ("patient", "label", "score", "predicted"):
        assert column in str(code[3].outputs[-1])
    assert "prediction" in str(code[4].outputs[-1])


def test_wrong_arguments_are_named_at_once_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="trails is no option of a search; did you mean 'trials'"):
        run_search("x.csv", trails=3)
    with pytest.raises(InputError) as refusal:
        run_search("x.csv", trials=0, folds=1)
    assert refusal.value.problems == (
        "folds must be at least 2 (got 1)",
        "trials must be at least 1 (got 0)",
    )


def test_what_the_search_refuses_comes_problem_by_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        run_search(tmp_path / "none.csv", weights=str(tmp_path / "none.pth"), progress=False)
    problems = refusal.value.problems
    assert len(problems) > 1
    assert any("none.csv" in problem for problem in problems)
    assert not any("problems to fix" in problem for problem in problems)


def test_a_refusal_speaks_of_arguments_and_not_of_options(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").touch()
    with pytest.raises(InputError, match=r"out must be .*: go on with it by resume, or"):
        run_search("demo", out=tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=r"not the folder of a search .*old"):
        run_search(resume=tmp_path / "old", progress=False)


def test_the_names_that_python_users_import_are_these() -> None:
    assert search.__all__ == ["SearchResult", "read_run", "run_search"]
    assert analysis.__all__ == ["Team", "load_model"]
    for package in (search, analysis):
        assert all(callable(getattr(package, name)) for name in package.__all__)
        with pytest.raises(AttributeError):
            _ = package.nothing
