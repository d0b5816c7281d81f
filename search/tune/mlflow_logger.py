"""Ray's callback for MLflow, which may fail while a search goes on."""

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.experiment import Trial

from search.run.run_folder import RunFolder


class MlflowLogger(MLflowLoggerCallback):
    """Ray's callback, but an MLflow that fails later does not end the search.

    It gets no more then, and the error is kept in `errors/mlflow.txt`.
    """

    def __init__(self, uri: str, experiment: str, run: RunFolder) -> None:
        """Log to an experiment in the MLflow of this address."""
        super().__init__(tracking_uri=uri, experiment_name=experiment)
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
