"""The one callback that writes how each trial ended to the log of trials."""

from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Trial

from search.run.run_folder import RunFolder
from search.run.trial_log import TrialState
from search.tune.losses import account_of, why_lost
from search.tune.report_timeout import ReportTimeout
from search.tune.search_stopper import SearchStopper


class TrialLogger(tune.Callback):
    """Writes the state of each trial at its last report.

    Ray gives a report to the scheduler first, and marks the report as done where the scheduler
    stops the trial. The order of the callbacks has no meaning: no other one reads the scores.
    """

    def __init__(
        self,
        run: RunFolder,
        num_folds: int,
        num_findings: int,
        stopper: SearchStopper,
        timeout: ReportTimeout,
    ) -> None:
        self._log = run.log
        self._folds = run.folds
        self._num_folds = num_folds
        self._num_findings = num_findings
        self._stopper = stopper
        self._timeout = timeout

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Keep a trial that has failed, is complete, or is stopped for being behind."""
        number, config = trial.config["number"], trial.config["trial"]
        # Ray keeps the last report of every trial in memory, which need not hold the scores
        scores = result.pop("scores", None)
        if "lost" in result:
            why, account = result["lost"], result.pop("traceback")
            self._add(number, "lost", config, {}, why, account=account)
        elif "error" in result:
            why, account = result["error"], result.pop("traceback")
            self._add(number, "failed", config, {}, why, account=account)
        elif result["fold"] == self._num_folds:
            metrics = {**result, "seconds": round(result["time_total_s"], 2)}
            array = np.frombuffer(scores or b"", np.float32).reshape(-1, self._num_findings)
            self._add(number, "complete", config, metrics, scores=array)
        elif result["done"]:
            why = f"after {result['fold']} of {self._num_folds} folds, behind the others"
            self._add(number, "stopped", config, result, why)
        if "objective" in result and result["fold"] < self._num_folds:
            with self._stopper.on_full_disk():
                self._folds.add(number, result["fold"], result["objective"])

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep a trial whose worker died each time, or that was silent for too long.

        Ray also gives up a trial whose reused worker was dead before the trial began. Such a trial
        has no state: `reconcile` queues it again.
        """
        number, config = trial.config["number"], trial.config["trial"]
        silent = self._timeout.why_ended(trial)
        if silent is not None:
            self._add(number, "failed", config, {}, silent)
        elif trial.num_failures > trial.max_failures:
            text = f"lost its worker {trial.num_failures} times; the last time {why_lost(trial)}"
            self._add(number, "lost", config, {}, text, account=account_of(trial))

    def _add(self, number: int, state: TrialState, *how: Any, **more: Any) -> None:
        """Keep how a trial ended; if the disk refuses, end all trials."""
        with self._stopper.on_full_disk():
            self._log.add(number, state, *how, **more)
        self._stopper.note(state)
