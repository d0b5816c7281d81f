"""Scores recalibrated to the labels of another hospital, judged by cross-validation by patient.

The map is Platt's on the log-odds of the scores, with a new threshold by the policy of the search.
It rises, so that the AUC stays. More than level and slope would take many more patients (Vergouwe
and others 2017, "A closed testing procedure to select an appropriate method for updating prediction
models"). At least 20 positive and 20 negative patients are needed, ten for each factor of the map.
How well scores are calibrated takes more to say: 100 of each (Vergouwe and others 2005,
"Substantial effective sample sizes were required for external validation studies of predictive
logistic regression models"), and 200 for a curve (Van Calster and others 2019, "Calibration: the
Achilles heel of predictive analytics"). Riley and others (2021, "Minimum sample size for external
validation of a clinical prediction model with a binary outcome") ask for as many as make the
interval of the slope narrow; it is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.model_selection import StratifiedGroupKFold

from trainable.cohort.scored import Scored
from trainable.evaluation.curves import calibration_lines, slope_and_intercept
from trainable.evaluation.intervals import Estimate, estimate
from trainable.evaluation.logistic import logistic
from trainable.evaluation.metrics import (
    Metric,
    Weighted,
    brier_score,
    difference,
    f1_of_each_at,
    log_likelihood,
    of_scores,
)
from trainable.evaluation.recalibration import (
    UNCHANGED,
    CalibrationFigures,
    Recalibration,
    bounded,
)
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import own_thresholds

FEWEST, ENOUGH = 20, 100
"""Patients of each class: fewer are refused, and so many tell well how good the scores are."""

_FOLDS = 5
_LEAST_FACTOR = 0.1
"""As in the search: with less, different scores become one in single precision."""


@dataclass(frozen=True)
class Change:
    """A metric before and after, of patients who had no part in the recalibration."""

    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Local:
    """A recalibration to another hospital.

    Attributes:
        recalibration: What makes scores of the raw ones; None if that would be no better.
        threshold: Of the score.
        changes: What it is worth, by the name of the metric.
        scored: Labels, patients, and scores after it by cross-validation, (num_exams, 1).
        positives: (num_exams, 1), what is predicted then.
    """

    recalibration: Recalibration | None
    threshold: float
    changes: Mapping[str, Change]
    scored: Scored
    positives: NDArray[np.bool_]


def recalibrate(
    raw: Scored,
    scores: NDArray[np.float32],
    before: Recalibration | None,
    threshold: float,
    scoring: Scoring,
) -> Local:
    """Recalibrate one finding, and judge that.

    Args:
        raw: Labels, patients and raw scores (num_exams, 1); both classes have `FEWEST` patients.
        scores: (num_exams, 1), recalibrated as the search did.
        before: How it did; None where it did not.
        threshold: Of these scores.
        scoring: How a threshold is chosen, and which F1 is computed of one finding.
    """
    logits = np.asarray(special.logit(bounded(scores[:, 0])))
    after, positives = np.empty_like(scores), np.empty(scores.shape, np.bool_)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    for rows, others in folds.split(scores, raw.labels[:, 0], raw.patients):
        factor, shift = _fitted(logits[rows], raw.labels[rows, 0])
        level = _threshold(raw.take(rows), (factor, shift), scoring)
        after[others, 0] = special.expit(factor * logits[others] + shift)
        positives[others] = raw.scores[others] >= np.float32(level)
    changes = _changes(raw, scores, threshold, after, positives, scoring)
    told = replace(raw, scores=after), positives
    if changes["log loss"].difference.value >= 0:
        return Local(None, threshold, changes, *told)
    factor, shift = _fitted(logits, raw.labels[:, 0])
    of_score, of_rest, constant = UNCHANGED
    if before is not None:
        of_score, of_rest, constant = before.of_score, before.of_rest, before.shift
    found = Recalibration(
        factor * of_score,
        factor * of_rest,
        factor * constant + shift,
        _threshold(raw, (factor, shift), scoring),
        _figures(raw.labels[:, 0], scores[:, 0], changes["log loss"].before),
        _figures(raw.labels[:, 0], after[:, 0], changes["log loss"].after),
    )
    return Local(found, found.threshold, changes, *told)


def _fitted(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Factor and shift of the log-odds, with Platt's targets; the map always rises."""
    num_positive = int((labels == 1).sum())
    of_positive = (num_positive + 1) / (num_positive + 2)
    targets = np.where(labels == 1, of_positive, 1 / (len(labels) - num_positive + 2))
    once, ones = np.ones((1, len(labels))), np.ones((len(labels), 1))
    [[factor, shift]] = logistic(np.column_stack([logits, ones]), targets, once)
    if factor < _LEAST_FACTOR:
        factor = _LEAST_FACTOR
        [[shift]] = logistic(ones, targets, once, offset=factor * logits)
    return float(factor), float(shift)


def _threshold(raw: Scored, line: tuple[float, float], scoring: Scoring) -> float:
    """Threshold of the raw scores; a fixed one is of the probabilities, of raw scores as such."""
    if scoring.threshold.kind != "fixed":
        return float(own_thresholds(raw.labels, raw.scores, scoring)[0])
    factor, shift = line
    [at] = special.logit(bounded(np.array([scoring.threshold.value])))
    return float(np.float32(special.expit((at - shift) / factor)))


def _changes(
    raw: Scored,
    scores: NDArray[np.float32],
    threshold: float,
    after: NDArray[np.float32],
    positives: NDArray[np.bool_],
    scoring: Scoring,
) -> dict[str, Change]:
    """Each metric before and after, all from one drawing of patients."""

    def log_loss(given: Weighted) -> NDArray[np.float64]:
        return -log_likelihood(given)

    def slope(given: Weighted) -> NDArray[np.float64]:
        logits = np.asarray(special.logit(bounded(given.scores[:, 0])))
        return calibration_lines(given.labels[:, 0], logits, given.weights)[:, :1]

    f1 = f1_of_each_at(np.array([0.5], np.float32), scoring)
    decided = [(scores >= np.float32(threshold)), positives]
    both: dict[str, tuple[Metric, Metric]] = {
        name: (of_scores(scores, metric), of_scores(after, metric))
        for name, metric in {
            "log loss": log_loss,
            "Brier score": brier_score,
            "slope": slope,
        }.items()
    }
    one, other = (of_scores(each.astype(np.float32), f1) for each in decided)
    both["F1"] = one, other
    metrics: dict[str, Metric] = {}
    for name, (first, second) in both.items():
        metrics |= {f"{name} 0": first, f"{name} 1": second, name: difference(second, first)}
    found = estimate(replace(raw, scores=scores), metrics)
    return {name: Change(found[f"{name} 0"], found[f"{name} 1"], found[name]) for name in both}


def _figures(
    labels: NDArray[np.int64], scores: NDArray[np.float32], log_loss: Estimate
) -> CalibrationFigures:
    logits = np.asarray(special.logit(bounded(scores)))
    return CalibrationFigures(log_loss.value, *slope_and_intercept(labels, logits))
