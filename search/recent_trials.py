"""Optuna's log with an end to its memory, so that the thousandth suggestion takes no longer."""

import copy
import heapq
from collections.abc import Container
from typing import cast

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

NUM_RECENT = 300
NUM_BEST = 25
"""TPE takes at most 25 trials for good ones (Optuna's `default_gamma`); all others only show where
not to look, and the older ones weigh less there."""


class RecentTrials(JournalStorage):
    """A study as the sampler sees it: the best of the older trials, and all that are recent.

    TPE looks at all trials for each group of parameters, so the time of a suggestion grows with
    their number. Here it stops growing at `NUM_RECENT` trials and those under way.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        super().__init__(backend)
        self._num_older = 0
        self._best: list[FrozenTrial] = []

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of the only study, in their order; of the older ones the best alone."""
        trials = super().get_all_trials(study_id, deepcopy=False)
        num_older = self._num_older
        while num_older < len(trials) - NUM_RECENT and trials[num_older].state.is_finished():
            num_older += 1
        passed = trials[self._num_older : num_older]
        complete = [t for t in passed if t.state == TrialState.COMPLETE]
        if complete:
            candidates = [*self._best, *complete]
            best = heapq.nlargest(NUM_BEST, candidates, key=lambda t: cast("float", t.value))
            self._best = sorted(best, key=lambda t: t.number)
        self._num_older = num_older
        seen = [
            t for t in (*self._best, *trials[num_older:]) if states is None or t.state in states
        ]
        return copy.deepcopy(seen) if deepcopy else seen
