"""What Ray Tune reports: one callback keeps a view up to date, one writes how each trial ended."""

import os
import re
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.stopper import Stopper

from search.run.run_folder import RunFolder
from search.run.trial_log import TrialState
from search.tune.scheduler import ReportTimeout, SearchStopper
from trainable.commands.stop import stop_signals
from trainable.trial.rungs import rungs

_COUNTERS = Path("/proc/vmstat")


def num_killed() -> int:
    """How many since the machine started; 0 where the kernel does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", _COUNTERS.read_text(), re.MULTILINE)
    except OSError:  # no Linux
        return 0
    return int(found[1]) if found else 0


_BEFORE = num_killed()


def describe_kills() -> str:
    """What to add to the loss of a worker; nothing if the kernel killed no process since."""
    num = num_killed() - _BEFORE
    if not num:
        return ""
    processes = "a process" if num == 1 else f"{num} processes"
    return (
        f"; the kernel has killed {processes} for lack of memory since the search began: run fewer "
        "trials at a time with --max-concurrent"
    )


def why_lost(trial: Trial) -> str:
    """Why and where a trial lost its worker, in a few words of Ray's long account."""
    account = account_of(trial).rpartition("Failure # ")[2]
    broken = re.search(r"^.*BrokenWorkerError: (.*)$", account, re.MULTILINE)
    if broken:
        return f"its worker could not go on: {broken[1]}"
    why = re.search(r"because (its (?:worker process|node) has died)", account)
    where = re.search(r"\bip(?:v4)?: ?([\d.]+)", account)
    on = f" on {where[1]}" if where else ""
    return f"{why[1] if why else 'it cannot be reached'}{on}{describe_kills()}"


def account_of(trial: Trial) -> str:
    """All that Ray says of each loss."""
    return Path(trial.error_file or os.devnull).read_text()


class View(Protocol):
    """What a person sees while trials run."""

    def begin(self, ends_at: float | None) -> None:
        """Trials are about to run, until a time of `time.monotonic` at most."""

    def show(self, num_running: int) -> None:
        """Something may have changed; called often."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def end(self) -> None:
        """No trial runs any more."""


class Progress(tune.Callback):
    """Keeps a view up to date."""

    def __init__(self, view: View, ends_at: float | None = None) -> None:
        """Show the trials in `view`, and that they run until `ends_at` at most."""
        self._view = view
        self._ends_at = ends_at

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles its callbacks; a terminal cannot be."""
        return {**self.__dict__, "_view": None}

    def setup(
        self,
        stop: Stopper | None = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: Any,
    ) -> None:
        """Begin the view."""
        stop_signals.renew()  # Tune has just taken SIGUSR1
        self._view.begin(self._ends_at)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Show what has changed."""
        self._view.show(sum(trial.status == Trial.RUNNING for trial in trials))

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Say in a line that a trial has lost its worker or its node."""
        number, why = trial.config["number"], why_lost(trial)
        self._view.say(f"trial {number:3d}  lost its worker ({why}) and runs again")

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """End the view."""
        self._view.end()


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
        self._race = run.race
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
        kept = result.pop("scores", b"")
        scores = np.frombuffer(kept, np.float32).reshape(-1, self._num_findings)
        percent = result.get("percent")
        if percent is not None:
            with self._stopper.on_full_disk():
                self._race.add(number, percent, result["objective"], scores)
        elif "objective" in result and (fold := result["fold"]) < self._num_folds:
            at_rung = scores if kept and fold in rungs(self._num_folds) else None
            with self._stopper.on_full_disk():
                self._folds.add(number, fold, result["objective"], at_rung)
        if "lost" in result:
            why, account = result["lost"], result.pop("traceback")
            self._add(number, "lost", config, {}, why, account=account)
        elif "error" in result:
            why, account = result["error"], result.pop("traceback")
            self._add(number, "failed", config, {}, why, account=account)
        elif result["fold"] == self._num_folds:
            metrics = {**result, "seconds": round(result["time_total_s"], 2)}
            self._add(number, "complete", config, metrics, scores=scores)
        elif result["done"]:
            why = f"after {result['fold']} of {self._num_folds} folds, behind the others"
            if percent is not None:
                why = f"on {percent} % of the patients, its network is behind others"
            self._add(number, "stopped", config, result, why)

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
