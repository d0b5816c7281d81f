"""What stands above the table while a search runs: how far it is, and the best so far."""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from search.plan.plan import SearchPlan
from search.run.trial_log import TrialLog, complete_best_first
from trainable.evaluation.intervals import Estimate, estimate
from trainable.evaluation.metrics import f1_at

_MINUTE, _HOUR = 60, 3600


class Pace:
    """How long the trials that are left will take, by those that have ended since the start."""

    def __init__(self, num_ended: int, num_trials: int, ends_at: float | None) -> None:
        """Begin now; `ends_at` is the end of the time budget by `time.monotonic`."""
        self._began = time.monotonic()
        self._first = num_ended
        self._num_trials = num_trials
        self._ends_at = ends_at

    def describe(self, num_ended: int) -> str:
        """The time left, in words."""
        now, done = time.monotonic(), num_ended - self._first
        budget = None if self._ends_at is None else max(0.0, self._ends_at - now)
        if not done:
            return "" if budget is None else f"at most {roughly(budget)} left"
        left = (now - self._began) / done * max(0, self._num_trials - num_ended)
        return f"about {roughly(left if budget is None else min(left, budget))} left"


def roughly(seconds: float) -> str:
    """A time as a person says it.

    >>> roughly(20), roughly(300), roughly(9000)
    ('1 min', '5 min', '2 h 30 min')
    """
    minutes = max(1, round(seconds / _MINUTE))
    hours, rest = divmod(minutes, _HOUR // _MINUTE)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def describe_states(trials: pd.DataFrame, num_running: int) -> str:
    """How many trials run, and how the others ended.

    >>> describe_states(pd.DataFrame({"state": ["complete", "failed"]}), 2)
    '2 running, 1 complete, 1 failed'
    """
    counts = Counter(trials["state"])
    return ", ".join([f"{num_running} running", *(f"{n} {state}" for state, n in counts.items())])


class BestSoFar:
    """The best trial with the interval of its F1, computed once for each best trial."""

    def __init__(self, plan: SearchPlan, log: TrialLog) -> None:
        """Look at the trials of `log`."""
        self._plan = plan
        self._log = log
        self._number: int | None = None
        self._text = "no trial is complete yet"

    def describe(self, trials: pd.DataFrame) -> str:
        """The best complete trial, in words."""
        best = complete_best_first(trials).head(1).to_dict("records")
        if best and best[0]["number"] != self._number:
            self._number = best[0]["number"]
            interval = self._estimate(best[0]["number"], best[0]["threshold"])
            f1 = replace(interval, value=best[0]["f1"])
            self._text = f"best so far: trial {self._number}, F1 {f1}, its luck included"
        return self._text

    def _estimate(self, number: int, threshold: float) -> Estimate:
        scored = self._plan.cohort.scored(self._log.scores(number))
        thresholds = np.array([threshold], np.float32)
        f1 = f1_at(thresholds, self._plan.task.scoring.f1_average)
        return estimate(scored, {"F1": f1})["F1"]
