"""Curves of scores against labels: calibration, and net benefit by the risk that calls for action.

With the ROC curve and the distributions of the scores, these are the four plots that Van Calster
and others (2025, "Evaluation of performance measures in predictive artificial intelligence models
to support medical decisions", Lancet Digital Health) call essential.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer

from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import interval_tail, resample_patients
from trainable.evaluation.logistic import logistic
from trainable.evaluation.recalibration import bounded

_NUM_POINTS = 101
_NUM_RESAMPLES = 200
_FEW_POSITIVES = 40
_WEAK_PENALTY = 100.0  # keeps the fit finite where the scores part the classes


@dataclass(frozen=True)
class CalibrationCurve:
    """Smoothed calibration curve, with its slope and intercept.

    Attributes:
        scores: (num_points,), scores from the lowest to the highest.
        shares: (num_points,), smoothed share of positives at each score.
        slope: 1 if scores are spread rightly; below 1 if they are too extreme.
        intercept: 0 if the scores are right on average; above 0 if they are too low.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    slope: float
    intercept: float

    @property
    def label(self) -> str:
        """Slope and intercept."""
        return f"slope {self.slope:.2f}, intercept {self.intercept:+z.2f}"


@dataclass(frozen=True)
class Calibration(CalibrationCurve):
    """The same with its band.

    Attributes:
        low: (num_points,), lower end of the 95 % CI of each share, by patient.
        high: (num_points,), upper end.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


_Curve = Callable[[NDArray[np.float32] | None], NDArray[np.float64]]


def calibration_curve(scored: Scored) -> CalibrationCurve:
    """Fit a logistic regression on splines of the scores' logits; its curve is the smooth one.

    Args:
        scored: Examinations of one finding; both classes occur, and scores are not all equal.
    """
    grid, curve = _smooth(scored)
    [labels], [scores] = scored.labels.T, scored.scores.T
    slope, intercept = slope_and_intercept(labels, _logits(scores))
    return CalibrationCurve(grid, curve(None), slope, intercept)


def calibration(scored: Scored) -> Calibration:
    """The curve of the same examinations, and how far others of its kind may lie from it."""
    _, curve = _smooth(scored)
    drawn_from = scored.labels, scored.patients
    resamples = resample_patients(*drawn_from, _NUM_RESAMPLES, seed=0, stratified=False)
    tail = interval_tail(*drawn_from)
    low, high = np.quantile([curve(one) for one in resamples], [tail, 1 - tail], axis=0)
    return Calibration(**vars(calibration_curve(scored)), low=low, high=high)


def _smooth(scored: Scored) -> tuple[NDArray[np.float64], _Curve]:
    """Scores from the lowest to the highest; and what gives the share of positives at each.

    That takes how often each examination counts; None for once.
    """
    [labels], [scores] = scored.labels.T, scored.scores.T
    logits = _logits(scores)
    grid = np.linspace(float(scores.min()), float(scores.max()), _NUM_POINTS)
    at = _logits(grid)[:, None]
    num_knots = 3 if labels.sum() < _FEW_POSITIVES else 4
    splines = SplineTransformer(num_knots, knots="quantile", extrapolation="linear")
    bases, at_bases = splines.fit_transform(logits[:, None]), splines.transform(at)
    model = LogisticRegression(C=_WEAK_PENALTY, max_iter=1000)

    def curve(weights: NDArray[np.float32] | None) -> NDArray[np.float64]:
        return np.asarray(model.fit(bases, labels, weights).predict_proba(at_bases)[:, 1])

    return grid, curve


def slope_and_intercept(
    labels: NDArray[Any], logits: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Slope of the labels' logistic regression on the logits; intercept for a slope of 1.

    Args:
        labels: (num_exams,), 1 positive, 0 negative.
        logits: (num_exams,), log-odds of the scores.
        weights: (num_exams,), how often each counts; once if not given.
    """
    once = np.ones(len(labels)) if weights is None else weights
    [[slope, _, intercept]] = calibration_lines(labels, logits, once[None])
    return float(slope), float(intercept)


def calibration_lines(
    labels: NDArray[Any], logits: NDArray[np.float64], weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The same (num_weightings, 3) under many weightings: slope, its constant, and intercept.

    The constant is that of the regression with the slope. In log-odds, a score means the slope
    times itself plus the constant.

    Args:
        labels: (num_exams,), 1 positive, 0 negative.
        logits: (num_exams,), log-odds of the scores.
        weights: (num_weightings, num_exams), how often each counts.
    """
    ones = np.ones((len(labels), 1))
    lines = logistic(np.column_stack([logits, ones]), labels, weights)
    return np.column_stack([lines, logistic(ones, labels, weights, offset=logits)])


def _logits(scores: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(special.logit(bounded(scores)))


def net_benefit(
    labels: NDArray[np.int64], scores: NDArray[np.float32], risks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Net benefit (num_risks,) of acting on every score of at least a risk, per examination.

    True positives, less the false positives weighted by the odds of the risk (Vickers and Elkin
    2006, "Decision curve analysis"). Acting on nobody has a net benefit of 0.

    Args:
        labels: (num_exams,), 1 positive, 0 negative.
        scores: (num_exams,), probability of the positive class.
        risks: (num_risks,), in [0, 1): the risk from which a person would act.

    >>> labels, scores = np.array([1, 0, 0, 0]), np.array([0.9, 0.6, 0.1, 0.1], np.float32)
    >>> net_benefit(labels, scores, np.array([0.0, 0.5, 0.8])).tolist()
    [0.25, 0.0, 0.25]
    """
    acts = scores >= risks[:, None]
    true, false = (acts & (labels == 1)).mean(axis=1), (acts & (labels == 0)).mean(axis=1)
    return np.asarray(true - false * risks / (1 - risks))
