"""A run with its winner, as the parts of its page read it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.options.options import DEMO, SearchOptions
from search.run.run_folder import RunFolder
from search.run.trial_log import complete_best_first
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored, is_scored
from trainable.cohort.splits import Fold, make_folds
from trainable.run.winner import Winner, read_winner


@dataclass(frozen=True)
class RunResult:
    """A run with its winner, read once.

    Attributes:
        run: Run folder.
        options: What the search was asked.
        cohort: Its labelled images.
        winner: Its winner.
        trials: All rows of `trials.csv`.
    """

    run: RunFolder
    options: SearchOptions
    cohort: Cohort
    winner: Winner
    trials: pd.DataFrame

    @classmethod
    def read(cls, path: Path) -> "RunResult":
        """Read a run folder, and change nothing.

        Raises:
            InputError: If it is no run folder of this version, or has no winner yet.
        """
        run = RunFolder(path)
        options = run.read_options()
        return cls(run, options, Cohort.load(run.path), read_winner(run.path), run.log.table())

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """(num_exams, num_findings), out-of-fold scores of the winner: the mean of its members."""
        return self.winner.out_of_fold_scores(self.run.path)

    @cached_property
    def rows(self) -> NDArray[np.bool_]:
        """(num_exams,), whether an examination has out-of-fold scores."""
        return is_scored(self.scores)

    @cached_property
    def scored(self) -> Scored:
        """These examinations, with the scores of the winner."""
        return self.cohort.scored(self.scores)

    @property
    def is_demo(self) -> bool:
        """Whether the images are the phantoms of the demo."""
        return self.options.data.data == DEMO

    @property
    def complete(self) -> pd.DataFrame:
        """Complete trials, the best first."""
        return complete_best_first(self.trials)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that all trials were scored on."""
        scoring = self.options.scoring
        return make_folds(self.cohort, scoring.folds, self.winner.seed, scoring.repeats)
