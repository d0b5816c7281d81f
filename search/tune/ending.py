"""When a trial ends, when all of them end, and why."""

import math
import time
from datetime import timedelta
from typing import Any, Literal

from ray.tune.stopper import Stopper

from trainable.commands.stop import stop_signals

Ended = Literal["all", "budget", "interrupt", "error"]
"""Why trials no longer run: all have ended, the time budget is spent, a stop signal such as Ctrl-C
came, or what runs them has failed."""


class Ending(Stopper):
    """Ends a trial at its last report, and all trials when the time is over or at a stop signal.

    Ray would else wait until the worker returns, and run the trial again if the worker dies first.

    Attributes:
        why: Why trials no longer run.
    """

    def __init__(self, num_folds: int, time_budget: timedelta | None) -> None:
        """Start the clock of the time budget."""
        self.why: Ended = "all"
        self._num_folds = num_folds
        seconds = math.inf if time_budget is None else time_budget.total_seconds()
        self._end = time.monotonic() + seconds

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether this report is the trial's last one."""
        return "error" in result or result["fold"] == self._num_folds

    def stop_all(self) -> bool:
        """Whether all trials end now."""
        if self.why == "all" and stop_signals.received:
            self.why = "interrupt"
        if self.why == "all" and time.monotonic() >= self._end:
            self.why = "budget"
        return self.why != "all"
