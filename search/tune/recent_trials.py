"""Optuna's log with an end to its memory, so that the thousandth suggestion takes no longer."""

import copy
import heapq
from collections.abc import Container
from typing import cast

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from search.tune.upstream_internals import synced_trials

NUM_RECENT = 300
NUM_BEST = 25
"""TPE takes at most 25 trials for good ones (Optuna's `default_gamma`); all others only show where
not to look, and the older ones weigh less there."""


class RecentTrials(JournalStorage):
    """A study as the sampler sees it: the best of the older trials, and all that are recent.

    TPE looks at all trials for each group of parameters, so the time of a suggestion grows with
    their number. Here that growth ends at `NUM_RECENT` trials.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        super().__init__(backend)
        self._num_older = 0
        self._best: list[FrozenTrial] = []
        self._under_way: list[int] = []

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of the only study, in order; of the older ones the best and the unfinished."""
        trials = synced_trials(self)
        num_older = max(0, len(trials) - NUM_RECENT)
        passed = [trials[n] for n in (*self._under_way, *range(self._num_older, num_older))]
        complete = [trial for trial in passed if trial.state == TrialState.COMPLETE]
        if complete:
            self._best = heapq.nlargest(NUM_BEST, [*self._best, *complete], key=_value)
        under_way = [trial for trial in passed if not trial.state.is_finished()]
        self._under_way = [trial.number for trial in under_way]
        self._num_older = num_older
        older = sorted([*self._best, *under_way], key=lambda trial: trial.number)
        recent = [trials[n] for n in range(num_older, len(trials))]
        seen = [t for t in (*older, *recent) if states is None or t.state in states]
        return copy.deepcopy(seen) if deepcopy else seen


def _value(trial: FrozenTrial) -> float:
    return cast("float", trial.value)
