"""What positive labels weigh, so that each fold learns the odds of the whole cohort.

A fold that leaves out many positives learns lower odds than others. Its scores are pooled with
theirs, and where few patients have many images that alone would decide about ranks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.findings import Findings


@dataclass(frozen=True)
class Balance:
    """The odds that each fold learns; odds of a class are those against the most frequent one.

    Attributes:
        odds: float64 (num_findings,), those among the examinations of the trial.
        factors: float64 (num_findings,), what training multiplies them by. It is taken out again
            of every score.
        reference: The most frequent class; None without several classes.
    """

    odds: NDArray[np.float64]
    factors: NDArray[np.float64]
    reference: int | None

    @classmethod
    def of(cls, labels: NDArray[np.int64], findings: Findings, factor: float) -> "Balance":
        """Count the labels of a trial.

        Args:
            labels: (num_exams, num_findings), of all examinations that take part in the trial.
            findings: What is asked.
            factor: How often a positive counts. A class counts at most as often as makes it as
                frequent as the most frequent one.
        """
        most = int((labels == 1).sum(axis=0).argmax()) if findings.exclusive else None
        odds = _odds(labels, most)
        limits = np.full(len(odds), np.inf) if most is None else 1 / odds
        return cls(odds, np.minimum(factor, limits), most)

    def weights(self, labels: NDArray[np.int64] | None) -> tuple[float, ...]:
        """Weights in the loss, one per finding or class.

        Args:
            labels: Those that are trained on; None to learn their own odds.
        """
        changed = 1.0 if labels is None else self.odds / _odds(labels, self.reference)
        found: list[float] = (self.factors * changed).tolist()
        return tuple(found)


def _odds(labels: NDArray[np.int64], reference: int | None) -> NDArray[np.float64]:
    positive = (labels == 1).sum(axis=0)
    against = (labels == 0).sum(axis=0) if reference is None else positive[reference]
    return np.asarray(positive / against)
