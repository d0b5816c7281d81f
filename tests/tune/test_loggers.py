"""A tool that a search cannot log to is refused before anything is read."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import pytest
from ray.air.integrations.mlflow import MLflowLoggerCallback

from search.options.options import ToolOptions
from search.run.run_folder import RunFolder
from search.tune.loggers import check_experiment, check_tools, experiment_of
from search.tune.mlflow_logger import MlflowLogger
from trainable.errors import InputError


def test_an_address_that_is_no_mlflow_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"--mlflow must be .* \(got nonsense://x: ") as refusal:
        check_tools(ToolOptions(mlflow="nonsense://x"))
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(find_spec("wandb") is not None, reason="Weights & Biases is installed")
def test_a_tool_that_is_not_installed_is_named_with_its_extra() -> None:
    with pytest.raises(InputError, match="install the extra wandb"):
        check_tools(ToolOptions(wandb=True))


def test_an_mlflow_that_fails_later_is_noted_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionError("the server has gone")

    monkeypatch.setattr(MLflowLoggerCallback, "log_trial_result", fail)
    run = RunFolder(tmp_path / "run")
    run.log.create()
    logger = MlflowLogger("sqlite:///none.db", "cxr run", run)
    logger.log_trial_result(1, None, {})  # type: ignore[arg-type]
    assert "the server has gone" in (run.log.errors / "mlflow.txt").read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy about MLflow
def test_an_experiment_that_was_deleted_is_refused_before_any_trial(tmp_path: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    tools, run = ToolOptions(mlflow=client.tracking_uri), RunFolder(tmp_path / "run")
    check_experiment(tools, run)
    number = client.create_experiment(experiment_of(run))
    check_experiment(tools, run)
    client.delete_experiment(number)
    with pytest.raises(
        InputError, match="the experiment 'cxr run' of --mlflow must not be deleted"
    ):
        check_experiment(tools, run)


def test_no_search_waits_for_the_import_of_what_it_may_not_need() -> None:
    program = "import sys, search.launch; print({'mlflow', 'matplotlib'} & sys.modules.keys())"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
