"""Scores are recalibrated to another hospital, and judged on patients who had no part in it."""

import numpy as np
import pytest
from scipy.special import expit, logit

from trainable.cohort.scored import Scored
from trainable.evaluation.local import Local, recalibrate
from trainable.evaluation.ranking import rank
from trainable.evaluation.recalibration import CalibrationFigures, Recalibration, recalibrated
from trainable.evaluation.scoring import Scoring, ThresholdPolicy

RNG = np.random.default_rng(0)
RISKS = np.sort(np.clip(RNG.beta(1, 3, 400), 0.01, 0.99))
# as many positives as there should be, up to each risk
LABELS = np.diff(np.floor(np.cumsum(RISKS) + 0.5), prepend=0).astype(np.int64)[:, None]
_FIGURES = CalibrationFigures(0.3, 1.0, 0.0)


def drawn(factor: float, shift: float) -> Scored:
    scores = expit(factor * logit(RISKS) + shift).astype(np.float32)[:, None]
    return Scored(LABELS, np.arange(400), scores)


def found(given: Scored, scoring: Scoring = Scoring(), threshold: float = 0.7) -> Local:  # noqa: B008
    return recalibrate(given, given.scores, None, threshold, scoring)


def test_scores_that_are_too_high_mean_what_they_say_again_in_the_same_order() -> None:
    given = drawn(0.5, 2.0)
    local = found(given)
    one = local.recalibration
    assert one is not None
    assert one.kind == "Platt"
    assert one.of_score == pytest.approx(2, abs=0.5)
    assert local.changes["log loss"].difference.high < 0
    assert local.changes["Brier score"].difference.high < 0
    assert local.changes["slope"].before.low > 1
    assert local.changes["slope"].after.low < 1 < local.changes["slope"].after.high
    scores = recalibrated(given.scores, [one], [local.threshold])
    assert scores.mean() == pytest.approx(LABELS.mean(), abs=0.01)
    once = np.ones((1, 400), np.float32)
    aucs = [rank(LABELS[:, 0], each[:, 0], once).auc()[0] for each in (given.scores, scores)]
    assert aucs[0] == pytest.approx(aucs[1])


def test_right_scores_stay() -> None:
    assert found(drawn(1.0, 0.0)).recalibration is None


def test_a_map_follows_that_of_the_search() -> None:
    raw = drawn(0.5, 2.0)
    before = Recalibration(1.7, 0.8, -0.3, 0.5, _FIGURES, _FIGURES)
    scores = recalibrated(raw.scores, [before], [before.threshold])
    one = recalibrate(raw, scores, before, before.threshold, Scoring()).recalibration
    assert one is not None
    assert one.of_score / one.of_rest == pytest.approx(1.7 / 0.8)
    again = recalibrated(raw.scores, [one], [one.threshold])
    assert again.mean() == pytest.approx(LABELS.mean(), abs=0.01)


def test_a_fixed_threshold_is_one_of_the_new_probabilities() -> None:
    local = found(drawn(0.5, 2.0), Scoring(ThresholdPolicy.parse("0.3")))
    assert local.threshold == pytest.approx(0.3, abs=1e-5)


def test_it_is_not_judged_on_itself() -> None:
    labels = np.random.default_rng(2).permutation(LABELS)
    change = found(Scored(labels, np.arange(400) // 2, drawn(1.0, 0.0).scores)).changes["log loss"]
    prevalence = float(labels.mean())
    best = -(prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence))
    assert best < change.after.value < change.before.value - 0.1, "these scores say nothing"
