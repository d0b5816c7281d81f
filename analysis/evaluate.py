"""Judge predictions by labels that the model has not seen: each finding, and their average."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import Estimate, estimate, estimate_each
from trainable.evaluation.metrics import (
    Metric,
    all_positive_f1,
    auc,
    f1_at,
    metrics_at,
    of_scores,
    rates_at,
)
from trainable.evaluation.scoring import Scoring
from trainable.run.winner import Winner

_OF_PREDICTIONS = ("F1", "sensitivity", "specificity", "PPV", "NPV")


@dataclass(frozen=True)
class JudgedFinding:
    """What the scores of one finding, or class, are worth.

    Attributes:
        name: The finding.
        number: Its number among those of the team.
        num_known: Examinations whose label is known.
        num_positive: Positive ones.
        estimates: Each metric with its 95 % CI; none where all labels are the same.
    """

    name: str
    number: int
    num_known: int
    num_positive: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class JudgedFindings:
    """What the scores of several findings are worth.

    Attributes:
        each: The findings of which labels are known.
        averages: F1 over the findings that can be judged, and the mean of their AUCs; none where
            fewer than two can.
        all_positive_f1: F1 over the same findings of calling every examination positive.
    """

    each: tuple[JudgedFinding, ...]
    averages: Mapping[str, Estimate]
    all_positive_f1: float

    @property
    def estimates(self) -> tuple[Mapping[str, Estimate], ...]:
        """All estimates by their names: of the averages, then of each finding."""
        return self.averages, *(one.estimates for one in self.each)


def average_name(winner: Winner) -> str:
    """What the average over findings is called in a table of them."""
    return f"{winner.scoring.f1_average} average"


def metrics_of(
    predicted: NDArray[np.bool_], scoring: Scoring, operating_point: float
) -> dict[str, Metric]:
    """The metrics of each finding that are told, by their names.

    Args:
        predicted: (num_exams, num_findings), what is predicted; other metrics are of the scores.
        scoring: Which F1 is computed.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    at_half = np.full(predicted.shape[1], 0.5, np.float32)
    found = metrics_at(at_half, scoring, operating_point) | rates_at(at_half, scoring)
    as_scores = predicted.astype(np.float32)
    return found | {name: of_scores(as_scores, found[name]) for name in _OF_PREDICTIONS}


def judge_findings(
    scored: Scored, findings: Findings, winner: Winner, operating_point: float
) -> JudgedFindings:
    """Judge each finding on the examinations whose label of it is known.

    Args:
        scored: True labels, patients and scores.
        findings: What is asked of each examination.
        winner: Whose thresholds and kind of F1 are used.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    known, positive = (scored.labels >= 0).sum(axis=0), (scored.labels == 1).sum(axis=0)
    judged = np.flatnonzero((positive > 0) & (positive < known))
    some = Scored(scored.labels[:, judged], scored.patients, scored.scores[:, judged])
    # what is predicted of one of several classes depends on the scores of all
    predicted = winner.decide(scored.scores)[:, judged]
    estimates: dict[int, dict[str, Estimate]] = {}
    if len(judged):
        scoring = replace(winner.scoring, exclusive=False)
        if not findings.is_one:  # the F1 of each is that of its positive class, even of one alone
            scoring = replace(scoring, f1_average="binary")
        metrics = metrics_of(predicted, scoring, operating_point)
        estimates = dict(zip(judged.tolist(), estimate_each(some, metrics), strict=True))
    averages: dict[str, Estimate] = {}
    if len(judged) > 1:
        at_half = np.full(len(judged), 0.5, np.float32)
        f1 = f1_at(at_half, replace(winner.scoring, exclusive=False))
        by_prediction = of_scores(predicted.astype(np.float32), f1)
        averages = estimate(some, {"F1": by_prediction, "AUC": auc})
    each = tuple(
        JudgedFinding(
            name,
            number,
            int(known[number]),
            int(positive[number]),
            estimates.get(number, {}),
        )
        for number, name in enumerate(findings.names)
        if known[number]
    )
    baseline = all_positive_f1(some.labels, winner.scoring) if averages else 0.0
    return JudgedFindings(each, averages, baseline)
