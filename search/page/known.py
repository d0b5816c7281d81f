"""What the page of a run works out once, for its sections and for the drafts for a paper."""

from dataclasses import dataclass

import numpy as np

from search.rescored.across import Across, JudgedAcross
from search.rescored.robust import KeptRobustness, Robustness
from search.results.search_result import SearchResult
from trainable.evaluation.counts import decide
from trainable.evaluation.gaps import Gap
from trainable.report.failures import Failures, failures_of
from trainable.report.gaps import gaps_of

_ANY_POINT = 0.9  # of metrics that are not used here


@dataclass(frozen=True)
class Known:
    """What is found out about a winner beside its metrics.

    Attributes:
        explained: What says what the model looks at, in a sentence; empty if nothing does.
        gaps: By finding, the largest gaps between the values of each covariate.
        failures: By finding, what is wrong.
        across: The run judged across columns, where that was asked.
        robust: What small changes of images do, where that was asked.
    """

    explained: str
    gaps: list[list[Gap]]
    failures: list[Failures]
    across: tuple[Across, ...]
    robust: Robustness | None

    @classmethod
    def of(cls, result: SearchResult, explained: str) -> "Known":
        """Work it out from the out-of-fold scores, and read what the run keeps."""
        winner, cohort, scores = result.winner, result.cohort, result.out_of_fold
        by_member = [
            decide(
                result.folder.log.scores(member.trial),
                np.array(member.thresholds, np.float32),
                exclusive=winner.scoring.exclusive,
            )
            for member in winner.members
        ]
        failures = failures_of(
            winner.findings, cohort.labels, scores, winner.thresholds, winner.decide(scores),
            np.stack(by_member), winner.team_rows,
        )  # fmt: skip
        gaps = gaps_of(cohort, scores, winner.metrics(_ANY_POINT))
        across = JudgedAcross.read(result.run, winner, cohort)
        robust = KeptRobustness.read(result.run, winner, cohort)
        return cls(
            explained,
            gaps,
            failures,
            across.columns if across else (),
            robust.found if robust else None,
        )
