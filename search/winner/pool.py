"""The trials of a run to choose among, and how they came to be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.options.options import ScoringOptions
from search.run.trial_log import config_of
from search.winner.entry import Entry
from search.winner.rule import rule_of
from search.winner.selection import Selection, select
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored, is_scored
from trainable.config import TrialConfig
from trainable.evaluation.intervals import NUM_RESAMPLES
from trainable.evaluation.scoring import Scoring
from trainable.run.winner import History


@dataclass(frozen=True)
class Pool:
    """All rows to choose among: the complete trials, those that stopped, and those of before.

    Attributes:
        complete: Rows of `trials.csv` of the complete trials.
        configs: Configuration of each row.
        rows: (num_exams,), which examinations have scores of all rows.
        scored: These examinations, and their scores.
        planned: (num_rows,), whether a trial was planned before any score was seen.
        entry: How the rows came to be there.
        history: What of it a reader must know.
    """

    complete: Sequence[Mapping[Any, Any]]
    configs: Sequence[TrialConfig]
    rows: NDArray[np.bool_]
    scored: Scored
    planned: NDArray[np.bool_]
    entry: Entry
    history: History

    @classmethod
    def of_complete(
        cls,
        complete: Sequence[Mapping[Any, Any]],
        cohort: Cohort,
        scores: NDArray[np.float32],
        planned: NDArray[np.bool_],
    ) -> "Pool":
        """Complete trials alone, such as those that were scored again.

        Args:
            complete: Their rows of `trials.csv`.
            cohort: The labelled images.
            scores: (num_trials, num_exams, num_findings), NaN where never scored.
            planned: (num_trials,), whether a trial was planned before any score was seen.
        """
        return cls(
            complete=complete,
            configs=[config_of(row) for row in complete],
            rows=is_scored(scores),
            scored=cohort.scored(scores),
            planned=planned,
            entry=Entry(len(complete)),
            history=History(),
        )

    def choose(
        self,
        scoring: Scoring,
        options: ScoringOptions,
        seed: int,
        num_resamples: int = NUM_RESAMPLES,
    ) -> Selection:
        """Choose among these trials, as the options of a search say."""
        rule = rule_of(self.configs, self.planned, self.entry, options)
        return select(self.scored, scoring, rule, num_resamples, seed)
