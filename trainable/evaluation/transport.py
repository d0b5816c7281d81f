"""The same scores on another cohort: how far they are from what was told, and why.

A difference of two F1s has parts that can be seen. F1 depends on the prevalence, also where
sensitivity and specificity stay (`Causes.prevalence`). Scores that are all too high, or too
extreme, meet the threshold at another point of the same ROC curve (`Causes.calibration`). What is
left is not explained: other patients, other images, other labels, or chance.

Another prevalence alone also makes scores too high or too low: the log-odds of the right score move
by the difference of the log-odds of both prevalences (Saerens, Latinne and Decaestecker 2002,
"Adjusting the outputs of a classifier to new a priori probabilities"). That much is not held
against the calibration.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from trainable.cohort.scored import Scored
from trainable.evaluation.counts import f1_of_counts, weighted_counts
from trainable.evaluation.curves import calibration_lines
from trainable.evaluation.intervals import (
    LEVEL,
    POWER,
    Estimate,
    interval_tail,
    percentile_interval,
    resample_patients,
)
from trainable.evaluation.recalibration import bounded
from trainable.evaluation.scoring import F1Average

_NUM_RESAMPLES = 200
"""Of each, two logistic regressions are fitted."""

_FLATTEST = 0.05
"""Slope below which scores say next to nothing, and no other threshold is the same one."""

Values = NDArray[np.float64]


def f1_of_rates(
    sensitivity: Values, specificity: Values, prevalence: Values, average: F1Average = "binary"
) -> Values:
    """The F1 that follows from sensitivity, specificity and prevalence, all (...), exactly.

    >>> rates = np.array(0.8), np.array(0.9)
    >>> [round(float(f1_of_rates(*rates, np.array(share))), 3) for share in (0.5, 0.1)]
    [0.842, 0.593]
    """
    return f1_of_counts(_counts(sensitivity, specificity, prevalence), average)


def predictive_values(
    sensitivity: Values, specificity: Values, prevalence: Values
) -> tuple[Values, Values]:
    """PPV and NPV (...) that follow from the same; 0 where nobody is predicted so."""
    return _predictive_values(_counts(sensitivity, specificity, prevalence))


def _counts(sensitivity: Values, specificity: Values, prevalence: Values) -> Values:
    """TP, FN, FP and TN as shares of all, (4, ...)."""
    negative = 1 - prevalence
    return np.stack(
        [
            prevalence * sensitivity,
            prevalence * (1 - sensitivity),
            negative * (1 - specificity),
            negative * specificity,
        ]
    )


def _predictive_values(counts: Values) -> tuple[Values, Values]:
    tp, fn, fp, tn = counts
    return _share(tp, fp), _share(tn, fn)


def _share(right: Values, wrong: Values) -> Values:
    """What is right of all, 0 of nothing, as in scikit-learn."""
    return np.asarray(right / np.maximum(right + wrong, np.finfo(np.float64).tiny))


@dataclass(frozen=True)
class Compared:
    """A metric as it was told, and as it was found on other patients.

    Attributes:
        told: What was told; its ends are equal where no interval is known.
        found: What was found.
    """

    told: Estimate
    found: Estimate

    @property
    def difference(self) -> Estimate:
        """Found minus told, of different patients, with its 95 % CI.

        The interval follows from the two (Zou and Donner 2008, "Construction of confidence limits
        about effect measures").
        """
        told, found = self.told, self.found
        middle = found.value - told.value
        below = np.hypot(found.value - found.low, told.high - told.value)
        above = np.hypot(found.high - found.value, told.value - told.low)
        return Estimate(middle, middle - float(below), middle + float(above))

    @property
    def is_chance(self) -> bool:
        """Whether the difference may be chance alone."""
        return self.difference.low <= 0 <= self.difference.high

    @property
    def verdict(self) -> str:
        """Whether what was told holds: its interval, or at least the difference's.

        Empty where no interval was told: chance in what was told cannot be allowed for.
        """
        if self.told.low == self.told.high:
            return ""
        if self.told.low <= self.found.value <= self.told.high:
            return "as told"
        if self.is_chance:
            return "maybe chance"
        return "lower" if self.difference.value < 0 else "higher"

    @property
    def smallest(self) -> float:
        """What so many patients would show, at a level of 5 %, in 80 % of cases."""
        found = self.difference
        standard_error = (found.high - found.low) / 2 / stats.norm.ppf((1 + LEVEL) / 2)
        return float(standard_error * stats.norm.ppf([(1 + LEVEL) / 2, POWER]).sum())


@dataclass(frozen=True)
class Drawn:
    """The scores of one finding on one cohort: of all patients, then of resamples of them.

    Attributes:
        sensitivity: (1 + num_resamples,), or (1,) where there are no resamples.
        specificity: The same.
        prevalence: The same.
        lines: (1 + num_resamples, 3), slope of the labels' logistic regression on the log-odds of
            the scores, its constant, and the intercept for a slope of 1.
        tail: Share of the resampled values beyond each end of a 95 % CI.
    """

    sensitivity: Values
    specificity: Values
    prevalence: Values
    lines: NDArray[np.float64]
    tail: float

    @classmethod
    def of(
        cls, scored: Scored, positives: NDArray[np.bool_], weights: NDArray[np.float32]
    ) -> "Drawn":
        """Measure what is predicted (num_exams, 1) under each weighting, that of all first.

        Args:
            scored: Examinations of one finding, whose labels are known.
            positives: (num_exams, 1), what is predicted of them.
            weights: (1 + num_resamples, num_exams).
        """
        tp, fn, fp, tn = weighted_counts(scored.labels, positives, weights)[..., 0]
        return cls(
            _share(tp, fn),
            _share(tn, fp),
            _share(tp + fn, fp + tn),
            calibration_lines(scored.labels[:, 0], _logits(scored), weights),
            interval_tail(scored.labels, scored.patients),
        )

    @classmethod
    def known(cls, sensitivity: float, specificity: float, prevalence: float) -> "Drawn":
        """What is known of a cohort whose scores are not at hand; they count as calibrated."""
        return cls(
            np.array([sensitivity]),
            np.array([specificity]),
            np.array([prevalence]),
            np.array([[1.0, 0.0, 0.0]]),
            0.5,
        )


@dataclass(frozen=True)
class Resampled:
    """Labels and scores of one finding, with resamples of the patients.

    Attributes:
        scored: Examinations of one finding, whose labels are known; both classes occur.
        threshold: A score of at least this is predicted positive.
        average: Which F1 is computed.
        weights: (1 + num_resamples, num_exams), how often each counts, 1 in the first row.
    """

    scored: Scored
    threshold: float
    average: F1Average
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, scored: Scored, threshold: float, average: F1Average, seed: int) -> "Resampled":
        """Draw the resamples; two cohorts need two seeds, since they have nothing in common."""
        return cls(scored, threshold, average, weightings(scored, seed))

    def drawn(self) -> Drawn:
        """What is measured under each weighting."""
        positives = self.scored.scores >= np.float32(self.threshold)
        return Drawn.of(self.scored, positives, self.weights)

    def f1(self, log_odds: Values | None = None) -> Values:
        """F1s (1 + num_resamples,); each at another threshold if these are given."""
        positives = self.scored.scores >= np.float32(self.threshold)
        if log_odds is not None:
            positives = (_logits(self.scored) >= log_odds[:, None])[..., None]
        counts = weighted_counts(self.scored.labels, positives, self.weights)[..., 0]
        return f1_of_counts(counts, self.average)


def weightings(scored: Scored, seed: int) -> NDArray[np.float32]:
    """How often each examination counts (1 + num_resamples, num_exams), 1 in the first row."""
    return resample_patients(
        scored.labels, scored.patients, _NUM_RESAMPLES, seed, stratified=False, with_all=True
    )


def _logits(scored: Scored) -> Values:
    return np.asarray(special.logit(bounded(scored.scores[:, 0])))


@dataclass(frozen=True)
class Causes:
    """Why an F1 is not the one that was told; the three parts add up to the difference.

    Attributes:
        prevalences: Share of positives that was told, and here.
        mean_score: Mean score here.
        expected: The F1 to expect at the prevalence here, with the sensitivity and specificity that
            were told.
        expected_ppv: The PPV to expect so.
        expected_npv: The NPV to expect so.
        prevalence: Part of the difference of the F1s by another prevalence.
        calibration: Part by scores that mean here what other scores meant there.
        rest: What is not explained.
        intercept: Log-odds by which scores here are too low on average, below 0 if too high.
        by_prevalence: How much of that another prevalence alone makes.
        slope: 1 if scores are spread rightly; below 1 if they are too extreme.
    """

    prevalences: tuple[float, float]
    mean_score: float
    expected: Estimate
    expected_ppv: Estimate
    expected_npv: Estimate
    prevalence: Estimate
    calibration: Estimate
    rest: Estimate
    intercept: Estimate
    by_prevalence: Estimate
    slope: Estimate


def causes(told: Drawn, corrected: float, here: Resampled) -> Causes:
    """Take the difference of two F1s apart.

    Args:
        told: The scores of the search, out of fold.
        corrected: The F1 that it told, without the luck of the choice. That luck is taken to add
            errors, as many for each hit at any prevalence.
        here: The other cohort.
    """
    now = here.drawn()
    rates = told.sensitivity, told.specificity
    apparent = f1_of_rates(*rates, told.prevalence, here.average)
    luck = _luck(float(apparent[0]), corrected)
    expected = _without(luck, f1_of_rates(*rates, now.prevalence, here.average))
    moved = special.logit(now.prevalence) - special.logit(told.prevalence)
    undone = here.f1(_same_threshold(here.threshold, told.lines, now.lines, moved))
    ppv, npv = predictive_values(*rates, now.prevalence)
    both = min(told.tail, now.tail)
    return Causes(
        prevalences=(float(told.prevalence[0]), float(now.prevalence[0])),
        mean_score=float(here.scored.scores.mean()),
        expected=_estimate(expected, both),
        expected_ppv=_estimate(ppv, both),
        expected_npv=_estimate(npv, both),
        prevalence=_estimate(expected - _without(luck, apparent), both),
        calibration=_estimate(here.f1() - undone, both),
        rest=_estimate(undone - expected, both),
        intercept=_estimate(now.lines[:, 2], now.tail),
        by_prevalence=_estimate(moved, both),
        slope=_estimate(now.lines[:, 0], now.tail),
    )


def _estimate(values: Values, tail: float) -> Estimate:
    """The value of all patients, with the range of the others."""
    return Estimate(float(values[0]), *percentile_interval(values[1:], tail))


def _luck(apparent: float, corrected: float) -> float:
    """How many times as many errors there are for each hit as the choice of the winner shows."""
    if not (0 < apparent < 1 and 0 < corrected < 1):
        return 1.0
    return float(np.exp(special.logit(apparent) - special.logit(corrected)))


def _without(luck: float, f1: Values) -> Values:
    """F1s with so many times as many errors for each hit; F1 / (1 - F1) is hits per error."""
    return np.asarray(f1 / (f1 + luck * (1 - f1)))


def _same_threshold(
    threshold: float, then: NDArray[np.float64], now: NDArray[np.float64], moved: Values
) -> Values:
    """Log-odds of the scores here that mean what the threshold meant there, but for prevalence.

    Where scores say next to nothing, no score means that, and the threshold stays.
    """
    at = special.logit(bounded(np.array([threshold])))
    slope_then, constant_then, _ = then.T
    slope_now, constant_now, _ = now.T
    meant = slope_then * at + constant_then + moved
    are_told = (slope_now > _FLATTEST) & (slope_then > _FLATTEST)
    found = (meant - constant_now) / np.where(are_told, slope_now, 1)
    return np.asarray(np.where(are_told, found, at))
