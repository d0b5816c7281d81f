"""When a trial ends, when all of them end, and why."""

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any, Literal

from ray.tune.stopper import Stopper

from search.run.trial_log import TrialState
from trainable.commands.stop import stop_signals
from trainable.files import DiskError

_MOST_LOST = 3

Ended = Literal["all", "budget", "interrupt", "machine", "error"]
"""Why trials no longer run: all have ended, the time budget is spent, a stop signal such as Ctrl-C
came, the machine failed a few in a row, or what runs them has failed."""


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
