"""End trials that no longer report: a stalled disk or a stopped process must not hold a search."""

import time
from datetime import timedelta
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial

from search.options.types import duration_text
from search.tune.upstream_internals import running_actor

_LEAST = timedelta(minutes=30)
_TIMES = 10
_FIRST = timedelta(hours=6)


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
