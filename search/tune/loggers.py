"""Ray's own callbacks for MLflow and Weights & Biases, where a user asks for them."""

import contextlib
import logging
import os
import traceback
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback, TBXLoggerCallback

from search.options import ToolOptions
from search.run_folder import RunFolder
from trainable.errors import InputError, Problems

_SCORES = "scores"  # bytes, in the last report of a trial
_MLFLOW_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def check_tools(tools: ToolOptions) -> None:
    """Refuse a tool that is not installed, or an MLflow that does not answer.

    Raises:
        InputError: Naming every such tool.
    """
    problems = Problems()
    for is_wanted, package in ((tools.mlflow, "mlflow"), (tools.wandb, "wandb")):
        if is_wanted and find_spec(package) is None:
            problems.add(
                f"--{package} needs the package {package}: install the extra {package} "
                f"(uv sync --extra {package}), or drop the option"
            )
    problems.raise_if_any()
    if tools.mlflow:
        _reach_mlflow(tools.mlflow)


def _reach_mlflow(uri: str) -> None:
    for name, value in _MLFLOW_PATIENCE.items():
        os.environ.setdefault(name, value)
    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    import mlflow  # an extra, and slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow about SQLAlchemy
            mlflow.set_tracking_uri(uri)
            mlflow.search_experiments(max_results=1)
    except Exception as error:  # MLflow raises errors of many kinds for an address
        why = str(error).strip().partition(". ")[0]
        raise InputError(
            f"--mlflow must be the address of an MLflow that answers, such as "
            f"http://HOST:5000 or sqlite:///mlflow.db (got {uri}: {why})"
        ) from error


def loggers(tools: ToolOptions, run: RunFolder) -> list[LoggerCallback]:
    """The callbacks that log trials: TensorBoard's always, and those that are asked for."""
    found: list[LoggerCallback] = [TBXLoggerCallback()]
    if tools.mlflow:
        found.append(_Mlflow(tools.mlflow, run))
    if tools.wandb:
        # Ray's callback asks for a key unless this is set
        os.environ["WANDB_MODE"] = "offline"
        from ray.air.integrations.wandb import WandbLoggerCallback

        folder = run.path / "wandb"
        folder.mkdir(exist_ok=True)
        found.append(
            WandbLoggerCallback(
                project="cxr", group=run.path.name, excludes=[_SCORES],
                mode="offline", dir=str(folder),
            )
        )  # fmt: skip
    return found


class _Mlflow(MLflowLoggerCallback):
    """Ray's callback, but an MLflow that fails later does not end the search.

    It gets no more then, and the error is kept in `errors/mlflow.txt`.
    """

    def __init__(self, uri: str, run: RunFolder) -> None:
        super().__init__(tracking_uri=uri, experiment_name=f"cxr {run.path.name}")
        self._log = run.log
        self._is_lost = False

    def log_trial_start(self, trial: Trial) -> None:
        """Begin a run of MLflow."""
        with self._kept():
            super().log_trial_start(trial)

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Log the metrics of a report."""
        with self._kept():
            super().log_trial_result(iteration, trial, result)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """End the run."""
        with self._kept():
            super().log_trial_end(trial, failed)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep the first error."""
        try:
            yield
        except Exception:
            if not self._is_lost:
                self._log.keep_account("mlflow", traceback.format_exc())
            self._is_lost = True
