"""A difference of two F1s is taken apart into causes that are known here."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import confusion_matrix, f1_score

from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.transport import (
    Causes,
    Compared,
    Drawn,
    Resampled,
    causes,
    f1_of_rates,
    predictive_values,
)

THRESHOLD = 0.35
SEARCHED = 0.3


def cohort(prevalence: float, seed: int, shift: float = 0.0, noise: float = 0.0) -> Scored:
    """400 images; at the prevalence of the search, scores mean what they say.

    Args:
        prevalence: Share of positives.
        seed: Of the draws.
        shift: What is added to the log-odds of the scores.
        noise: Of the log-odds, that says nothing of the label.
    """
    rng = np.random.default_rng(seed)
    positive = np.arange(400) < 400 * prevalence
    evidence = rng.normal(np.where(positive, 1.0, -1.0), np.sqrt(2.0))  # its log-likelihood ratio
    log_odds = evidence + logit(SEARCHED) + shift + noise * rng.normal(size=400)
    scores = expit(log_odds).astype(np.float32)[:, None]
    return Scored(positive.astype(np.int64)[:, None], np.arange(400), scores)


TOLD = Resampled.of(cohort(SEARCHED, seed=0), THRESHOLD, "binary", seed=0)
DRAWN = TOLD.drawn()


def taken_apart(here: Scored, corrected: float | None = None) -> tuple[float, Causes]:
    """The whole difference, and its causes."""
    found = Resampled.of(here, THRESHOLD, "binary", seed=1)
    expected = float(TOLD.f1()[0]) if corrected is None else corrected
    return float(found.f1()[0]) - expected, causes(DRAWN, expected, found)


def holds_0(one: Estimate) -> bool:
    return one.low <= 0 <= one.high


def counts() -> NDArray[np.int64]:
    tn, fp, fn, tp = confusion_matrix(LABELS, PREDICTED).ravel()
    return np.array([tp, fn, fp, tn])


RNG = np.random.default_rng(3)
LABELS = (RNG.random(300) < 0.2).astype(int)
PREDICTED = np.where(RNG.random(300) < 0.2, 1 - LABELS, LABELS)


@pytest.mark.parametrize("average", ["binary", "macro", "micro", "weighted"])
def test_f1_and_predictive_values_follow_from_the_rates(average: str) -> None:
    tp, fn, fp, tn = counts()
    rates = np.array(tp / (tp + fn)), np.array(tn / (tn + fp)), np.array(LABELS.mean())
    expected = f1_score(LABELS, PREDICTED, average=average)
    assert float(f1_of_rates(*rates, average)) == pytest.approx(expected)  # type: ignore[arg-type]
    assert np.allclose(predictive_values(*rates), [tp / (tp + fp), tn / (tn + fn)])


def test_nothing_is_found_where_nothing_differs() -> None:
    _, found = taken_apart(cohort(SEARCHED, seed=1))
    assert all(map(holds_0, (found.prevalence, found.calibration, found.rest, found.intercept)))
    assert found.slope.low <= 1 <= found.slope.high


@pytest.mark.parametrize("prevalence", [0.08, 0.6])
def test_another_prevalence_alone_explains_all(prevalence: float) -> None:
    _, found = taken_apart(cohort(prevalence, seed=1))
    beyond = logit(THRESHOLD) - logit(SEARCHED)
    rates = norm.cdf((1 - beyond) / np.sqrt(2)), norm.cdf((1 + beyond) / np.sqrt(2))
    then, now = (f1_of_rates(*rates, np.array(one)) for one in (SEARCHED, prevalence))
    assert found.prevalence.low < float(now - then) < found.prevalence.high
    assert not holds_0(found.prevalence)
    assert holds_0(found.calibration)
    assert holds_0(found.rest)
    assert not holds_0(found.intercept), "scores fit another prevalence"
    moved = logit(prevalence) - logit(SEARCHED)
    assert found.by_prevalence.value == pytest.approx(moved)
    assert found.intercept.low <= found.by_prevalence.value <= found.intercept.high


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_scores_that_are_all_too_high_or_too_low_explain_all(shift: float) -> None:
    _, found = taken_apart(cohort(SEARCHED, seed=1, shift=shift))
    assert found.calibration.high < 0
    assert holds_0(found.rest)
    assert holds_0(found.prevalence)
    assert found.intercept.low < -shift < found.intercept.high
    assert found.by_prevalence.value == pytest.approx(0)


def test_scores_that_tell_less_are_not_explained() -> None:
    _, found = taken_apart(cohort(SEARCHED, seed=1, noise=3.0))
    assert found.rest.high < 0
    assert found.slope.high < 1


def test_the_parts_add_up_to_the_difference_from_the_corrected_f1() -> None:
    whole, found = taken_apart(cohort(0.1, seed=2, shift=0.5, noise=1.0), corrected=0.6)
    parts = found.prevalence.value + found.calibration.value + found.rest.value
    assert parts == pytest.approx(whole)


def test_without_the_scores_of_the_search_only_chance_here_is_in_the_intervals() -> None:
    here = Resampled.of(cohort(0.08, seed=1), THRESHOLD, "binary", seed=1)
    rates = (DRAWN.sensitivity[0], DRAWN.specificity[0], DRAWN.prevalence[0])
    whole, kept = causes(DRAWN, 0.6, here), causes(Drawn.known(*map(float, rates)), 0.6, here)
    assert kept.prevalence.value == pytest.approx(whole.prevalence.value)
    assert whole.rest.low < kept.rest.low < kept.rest.high < whole.rest.high


def test_what_was_told_holds_or_is_broken_by_more_than_chance() -> None:
    told = Estimate(0.6, 0.5, 0.7)
    verdicts = [
        Compared(told, Estimate(value, value - 0.1, value + 0.1)).verdict
        for value in (0.65, 0.48, 0.4, 0.9)
    ]
    assert verdicts == ["as told", "maybe chance", "lower", "higher"]
    assert Compared(Estimate(0.6, 0.6, 0.6), Estimate(0.9, 0.8, 1.0)).verdict == ""
    one = Compared(told, Estimate(0.5, 0.4, 0.6)).difference
    assert (one.low, one.high) == pytest.approx(
        (-0.1 - np.hypot(0.1, 0.1), -0.1 + np.hypot(0.1, 0.1))
    )
