"""Which trial starts next, and what ends a trial or all of them."""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Literal, cast

import ray
from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.stopper import Stopper

from search.options.types import duration_text
from search.run.trial_log import BASELINE, METRIC, TrialState
from search.tune.race import Race
from search.tune.upstream_internals import running_actor
from trainable.commands.stop import stop_signals
from trainable.files import DiskError
from trainable.trial.rungs import GRACE_FOLDS, REDUCTION

_MOST_LOST = 3
_LEAST = timedelta(minutes=30)
_TIMES = 10
_FIRST = timedelta(hours=6)

Ended = Literal["all", "budget", "interrupt", "machine", "error"]
"""Why trials no longer run: all have ended, the time budget is spent, a stop signal such as Ctrl-C
came, the machine failed a few in a row, or what runs them has failed."""


class LatestFirst(FIFOScheduler):
    """Starts the trial that was suggested last, and stops none."""

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The trial that was suggested last: a worker that has become free goes on with it.

        Ray's own choice is the one that has waited longest. It would leave the worker that is being
        started for it, which Ray then ends: a node that joins late would run nothing as long as
        trials take less time than the start of a worker.
        """
        waiting = [t for t in tune_controller.get_live_trials() if t.status == Trial.PENDING]
        return max(waiting, key=lambda trial: trial.config["number"], default=None)


class FoldASHA(LatestFirst, ASHAScheduler):
    """Asynchronous successive halving (Li 2020) over folds: at 2, 4 and 8 the lower half stops.

    Trials are compared by the objective over their out-of-fold scores of the same folds, never by
    time, so it does not matter which of them found its features stored. A logistic head reports
    its last fold alone, and is never stopped; nor is the baseline configuration.
    """

    def __init__(
        self,
        num_folds: int,
        earlier: Iterable[tuple[int, int, float]] = (),
        race: Race | None = None,
    ) -> None:
        """Compare trials of so many folds, also with trials of earlier sessions.

        Args:
            num_folds: Number of folds of a trial.
            earlier: Number, fold and objective of each earlier report.
            race: Decides on the reports that come before the first fold.
        """
        self._race = race
        super().__init__(
            time_attr="fold",
            metric=METRIC,
            mode="max",
            max_t=num_folds,
            grace_period=min(GRACE_FOLDS, num_folds),
            reduction_factor=REDUCTION,
        )
        nobody = cast("TuneController", None)  # the scheduler asks it nothing
        known: dict[int, Trial] = {}
        for number, fold, objective in earlier:
            if number not in known:
                known[number] = Trial("earlier", trial_id=f"earlier-{number}", stub=True)
                self.on_trial_add(nobody, known[number])
            report = {"fold": fold, METRIC: objective}
            if fold < num_folds:
                self.on_trial_result(nobody, known[number], report)
            else:
                self.on_trial_complete(nobody, known[number], report)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Whether the trial goes on."""
        if self._race is not None and "percent" in result:
            goes_on = self._race.judge(trial.config["trial"], result["percent"], result["scores"])
            return self.CONTINUE if goes_on else self.STOP
        decision: str = super().on_trial_result(tune_controller, trial, result)
        is_baseline = trial.config.get("number") == BASELINE
        return self.CONTINUE if is_baseline else decision


class SearchStopper(Stopper):
    """Ends a trial at its last report, and all trials when the time is over or at a stop signal.

    Ray would else wait until the worker returns, and run the trial again if the worker dies first.

    Attributes:
        why: Why trials no longer run.
        error: What the disk of the run folder refused.
    """

    def __init__(self, num_folds: int, ends_at: float | None) -> None:
        """End trials after so many folds, and all of them at a time of `time.monotonic`."""
        self.why: Ended = "all"
        self.error: DiskError | None = None
        self._num_folds = num_folds
        self._num_lost = 0
        self._ends_at = math.inf if ends_at is None else ends_at

    def note(self, state: TrialState) -> None:
        """Count the trials in a row that the machine failed; a few end all trials."""
        self._num_lost = self._num_lost + 1 if state == "lost" else 0
        if self.why == "all" and self._num_lost >= _MOST_LOST:
            self.why = "machine"

    @contextlib.contextmanager
    def on_full_disk(self) -> Iterator[None]:
        """End all trials if the disk refuses to keep how one has ended; that one runs again."""
        try:
            yield
        except DiskError as error:
            self.why, self.error = "machine", self.error or error

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether this report is the trial's last one."""
        return "error" in result or "lost" in result or result["fold"] == self._num_folds

    def stop_all(self) -> bool:
        """Whether all trials end now."""
        if self.why == "all" and stop_signals.received:
            self.why = "interrupt"
        if self.why == "all" and time.monotonic() >= self._ends_at:
            self.why = "budget"
        return self.why != "all"


class ReportTimeout(tune.Callback):
    """Kills the worker of a trial that has been silent for too long.

    The limit is ten times the longest silence before a report so far, but at least 30 minutes, and
    6 hours before the first report of all.
    """

    def __init__(self, timeout: timedelta | None) -> None:
        """Allow a silence of `timeout`; None for the limit that follows from the trials seen."""
        self._timeout = timeout
        self._longest: float | None = None
        self._heard: dict[Trial, float] = {}
        self._ended: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles its callbacks; trials need not be."""
        return {**self.__dict__, "_heard": {}}

    @property
    def limit(self) -> timedelta:
        """The longest silence that is allowed now."""
        if self._timeout is not None:
            return self._timeout
        if self._longest is None:
            return _FIRST
        return max(_LEAST, timedelta(seconds=_TIMES * self._longest))

    def why_ended(self, trial: Trial) -> str | None:
        """Why this ended a trial; None if it did not."""
        return self._ended.get(trial.trial_id)

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial begins, on a new worker or one that is used again."""
        self._heard[trial] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports."""
        now = time.monotonic()
        silence = now - self._heard.get(trial, now)
        self._longest = max(silence, self._longest or 0.0)
        self._heard[trial] = now

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """End what is silent for too long, and forget what no longer runs."""
        self._heard = {one: at for one, at in self._heard.items() if one.status == Trial.RUNNING}
        latest = time.monotonic() - self.limit.total_seconds()
        for trial in [one for one, at in self._heard.items() if at < latest]:
            self._end(trial)

    def _end(self, trial: Trial) -> None:
        limit = duration_text(timedelta(seconds=round(self.limit.total_seconds())))
        self._ended[trial.trial_id] = f"ended after {limit} without a report (--trial-timeout)"
        del self._heard[trial]
        trial.max_failures = 0  # it is not run again
        actor = running_actor(trial)
        if actor is not None:
            ray.kill(actor)
