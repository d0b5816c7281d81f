"""Probabilities of recalibrated scores keep the order of the scores, and every decision."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from trainable.evaluation.recalibration import CalibrationFigures, Recalibration, recalibrated

FIGURES = CalibrationFigures(0.3, 1.0, 0.0)
RNG = np.random.default_rng(0)


def recalibration(raw_threshold: float, a: float, b: float, c: float) -> Recalibration:
    return Recalibration(a, b, c, raw_threshold, FIGURES, FIGURES)


def any_float32(count: int) -> NDArray[np.float32]:
    """Numbers from 0 to 1, as many of each size, with the ends."""
    bits = RNG.integers(0, np.float32(1).view(np.uint32), count, dtype=np.uint32)
    return np.append(bits.view(np.float32), np.array([0, 1], np.float32))


def test_probabilities_have_the_log_odds_that_are_asked_for() -> None:
    scores = RNG.uniform(0.01, 0.99, 100).astype(np.float32)
    one = recalibration(0.5, 1.5, 0.7, -0.2)
    [found] = recalibrated(scores[:, None], [one], [one.threshold]).T
    wanted = 1.5 * np.log(scores) - 0.7 * np.log(1 - scores) - 0.2
    np.testing.assert_allclose(logit(found), wanted, atol=1e-4)
    assert (one.kind, recalibration(0.5, 2, 2, 0).kind) == ("beta calibration", "Platt")


@pytest.mark.parametrize("factors", [(1.5, 1.5, -0.3), (0.2, 3.0, 4.0), (6.0, 0.1, -9.0)])
@pytest.mark.parametrize("raw_threshold", [0.3, 1e-12, 0.9999999, 0.0, 1.0, 1.0000001])
def test_every_decision_is_that_on_the_raw_score_and_no_order_is_turned(
    factors: tuple[float, float, float], raw_threshold: float
) -> None:
    at = np.float32(raw_threshold)
    one = recalibration(float(at), *factors)
    neighbours = np.nextafter(at, np.array([0, at, 2], np.float32))
    near = at + np.arange(-500, 500) * np.spacing(at)
    scores = np.concatenate([any_float32(20_000), near.astype(np.float32), neighbours])
    scores = np.unique(scores[(scores >= 0) & (scores <= 1)])
    [found] = recalibrated(scores[:, None], [one], [one.threshold]).T
    assert found.dtype == np.float32
    assert np.array_equal(found >= np.float32(one.threshold), scores >= at)
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_finding_without_a_map_and_images_without_a_score_stay() -> None:
    scores = np.array([[0.2, 0.2], [np.nan, 0.4]], np.float32)
    one = recalibration(0.5, 2.0, 2.0, 1.0)
    found = recalibrated(scores, [one, None], [one.threshold, 0.5])
    assert np.isnan(found[1, 0])
    assert found[0, 0] == pytest.approx(expit(2 * logit(0.2) + 1))
    assert np.array_equal(found[:, 1], scores[:, 1])
    assert recalibrated(scores, (), ()) is scores


def test_a_map_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        recalibration(0.5, 1.0, 0.0, 0.0)
