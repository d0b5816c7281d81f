"""Calibration and net benefit of scores whose truth is known."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from trainable.cohort.scored import Scored
from trainable.evaluation import curves
from trainable.evaluation.curves import Calibration, calibration, net_benefit

RNG = np.random.default_rng(0)
RISKS = RNG.beta(1, 3, 4000)
LABELS = (RNG.random(4000) < RISKS).astype(np.int64)
PATIENTS = np.arange(4000)


def scored(scores: NDArray[np.float64]) -> Scored:
    return Scored(LABELS[:, None], PATIENTS, scores[:, None].astype(np.float32))


@pytest.fixture(scope="module")
def right() -> Calibration:
    """The curve of the risks themselves."""
    return calibration(scored(RISKS))


def test_right_scores_have_a_slope_of_one_and_an_intercept_of_zero(right: Calibration) -> None:
    assert right.slope == pytest.approx(1, abs=0.1)
    assert right.intercept == pytest.approx(0, abs=0.1)
    middle = (right.scores > 0.1) & (right.scores < 0.6)
    np.testing.assert_allclose(right.shares[middle], right.scores[middle], atol=0.05)
    assert np.mean((right.low <= right.scores) & (right.scores <= right.high)) > 0.8


def test_an_intercept_near_zero_has_no_minus(right: Calibration) -> None:
    label = dataclasses.replace(right, slope=1.0, intercept=-0.001).label
    assert label == "slope 1.00, intercept +0.00"


@pytest.mark.parametrize(("shift", "scale"), [(1.0, 1.0), (-1.0, 1.0), (0.0, 2.0), (0.0, 0.5)])
def test_wrong_scores_are_found_by_their_slope_and_intercept(
    shift: float, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_NUM_RESAMPLES", 2)  # of the curve's interval
    found = calibration(scored(expit(scale * logit(RISKS) + shift)))
    assert found.slope == pytest.approx(1 / scale, rel=0.1)
    if scale == 1:
        assert found.intercept == pytest.approx(-shift, abs=0.1)


def test_few_positives_widen_the_interval_of_the_curve(right: Calibration) -> None:
    few = np.concatenate([np.flatnonzero(LABELS == 1)[:10], np.flatnonzero(LABELS == 0)[:30]])
    wide = calibration(scored(RISKS).take(few))
    assert (wide.high - wide.low).mean() > 3 * (right.high - right.low).mean()
    assert np.isfinite([wide.slope, wide.intercept]).all()


def test_right_scores_are_worth_more_than_acting_on_everybody_or_on_nobody() -> None:
    risks = np.linspace(0.05, 0.6, 12)
    by_score = net_benefit(LABELS, RISKS.astype(np.float32), risks)
    everybody = net_benefit(LABELS, np.ones(4000, np.float32), risks)
    assert (by_score >= np.maximum(everybody, 0) - 0.005).all()
    assert by_score[5] > max(everybody[5], 0) + 0.01
