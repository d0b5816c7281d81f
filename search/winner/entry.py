"""Which trials there are to choose among, had the search been led by other patients.

Trials that were stopped early, and those that a warm start took from an earlier search, were
chosen before the winner is: by scores of all patients. So both choices are made again on each
resample, too. Else the corrected F1 would be too high: in simulated searches by 0.03 to 0.06
(`python -m benchmarks.selection`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.tune.race import Race
from search.winner.teams import Trials
from trainable.features.passes import FrozenPass


@dataclass(frozen=True)
class Rung:
    """A number of folds after which trials that are behind the others stop.

    Attributes:
        rows: (num_reports,), row of each trial that came so far, in their order; -1 for one that
            failed later.
        scores: float32 (num_reports, num_images, num_findings), what each had scored by then, NaN
            where not yet.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]

    def passes(self, trials: Trials, weights: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which (num_reports, num_weightings) reach the median of those that came before them."""
        objectives = trials.objectives_of(self.scores, weights)
        found = np.ones(objectives.shape, np.bool_)
        for number in range(1, len(objectives)):
            found[number] = objectives[number] >= np.median(objectives[:number], axis=0)
        return found


@dataclass(frozen=True)
class Lap:
    """A share of the patients on which passes were compared before they were run on all.

    Attributes:
        race: What passes were worth there.
        percent: The share.
        rows: Rows of the trials that each pass serves.
    """

    race: Race
    percent: int
    rows: Mapping[FrozenPass | None, NDArray[np.int64]]

    def enter(self, found: NDArray[np.bool_], weights: NDArray[np.float32]) -> None:
        """Take out of `found` (num_trials, num_weightings) the trials of passes that stop here."""
        for one, goes_on in self.race.going_on(self.percent, weights).items():
            if one in self.rows:
                found[self.rows[one]] &= goes_on


@dataclass(frozen=True)
class Earlier:
    """Trials of an earlier search on the same images, whose best ones were tried again.

    Attributes:
        first: Row of the first of them; they are the last rows.
        twins: (num_earlier,), row of the trial that tried each again; -1 for none.
        num_taken: How many of the best ones were tried again.
    """

    first: int
    twins: NDArray[np.int64]
    num_taken: int

    def enter(self, found: NDArray[np.bool_], objectives: NDArray[np.float64]) -> None:
        """Mark the best ones in `found` (num_trials, num_weightings), and no others.

        One that was tried again stands there as it was tried, the others as they were then.
        """
        best = np.argsort(-objectives[self.first :], axis=0, kind="stable")[: self.num_taken]
        rows = np.where(self.twins < 0, np.arange(len(self.twins)) + self.first, self.twins)
        found[rows] = False
        found[self.first :] = False
        np.put_along_axis(found, rows[best], True, axis=0)


@dataclass(frozen=True)
class Entry:
    """How the rows of all scores came to be there.

    Attributes:
        num_complete: Complete trials, which are the first rows.
        rungs: Where trials were stopped; those that were are the next rows. What one of them has
            not scored stands there as another trial scored it: it might have gone on so.
        earlier: An earlier search, whose trials are the last rows.
        laps: Where passes were stopped before they were run on all images.
    """

    num_complete: int
    rungs: tuple[Rung, ...] = ()
    earlier: Earlier | None = None
    laps: tuple[Lap, ...] = ()

    def candidates(
        self, trials: Trials, weights: NDArray[np.float32], objectives: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which trials (num_trials, num_weightings) there would be to choose among.

        Args:
            trials: All rows.
            weights: (num_weightings, num_images); the first are of all images, as it was.
            objectives: (num_trials, num_weightings), of each alone.
        """
        found = np.ones(objectives.shape, np.bool_)
        if self.earlier is not None:
            self.earlier.enter(found, objectives)
        for lap in self.laps:
            lap.enter(found, weights)
        for rung in self.rungs:
            passes = rung.passes(trials, weights)
            for row, passed in zip(rung.rows, passes, strict=True):
                if row >= 0:
                    found[row] &= passed
        as_it_was = np.arange(len(found)) < self.num_complete
        found[:, 0] = as_it_was
        found[:, ~found.any(axis=0)] = as_it_was[:, None]
        return found
