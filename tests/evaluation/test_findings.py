"""Several findings at once are judged as each of them is alone."""

import numpy as np
import pytest

from search.winner.selection import TeamRule, select
from trainable.cohort.scored import OutOfFold, Scored, is_scored
from trainable.evaluation.intervals import estimate, interval_tail, resample_patients
from trainable.evaluation.metrics import RANKED, Weighted, all_positive_f1, metrics_at
from trainable.evaluation.scoring import Scoring, ThresholdPolicy
from trainable.evaluation.thresholds import choose_thresholds, judge

RNG = np.random.default_rng(0)
PATIENTS = np.arange(120) // 2
LABELS = (RNG.random((120, 3)) < [0.1, 0.3, 0.5]).astype(np.int64)
SCORES = np.clip(0.3 * LABELS + 0.7 * RNG.random((120, 3)), 0, 1).round(2).astype(np.float32)
THRESHOLDS = np.array([0.3, 0.5, 0.7], np.float32)
WEIGHTS = RNG.integers(0, 4, (5, 120)).astype(np.float32)
EACH = [slice(finding, finding + 1) for finding in range(3)]


def test_each_metric_of_each_finding_is_that_of_the_finding_alone() -> None:
    log_loss = {"log loss": RANKED["log_loss"]}
    metrics = metrics_at(THRESHOLDS, "macro", 0.9) | log_loss
    found = Weighted(LABELS, SCORES, WEIGHTS).measure(metrics)
    for one in EACH:
        metrics = metrics_at(THRESHOLDS[one], "macro", 0.9) | log_loss
        alone = Weighted(LABELS[:, one], SCORES[:, one], WEIGHTS).measure(metrics)
        for name, values in found.items():
            assert values.shape == (5, 3)
            np.testing.assert_allclose(values[:, one], alone[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("objective", ["f1", "auc"])
@pytest.mark.parametrize("policy", ["best", "sensitivity:0.9"])
def test_each_finding_has_its_own_threshold_and_the_objective_is_the_mean(
    policy: str, objective: str
) -> None:
    scoring = Scoring(ThresholdPolicy.parse(policy), objective=objective)  # type: ignore[arg-type]
    found = choose_thresholds(Weighted(LABELS, SCORES, WEIGHTS), scoring)
    alone = [
        choose_thresholds(Weighted(LABELS[:, one], SCORES[:, one], WEIGHTS), scoring)
        for one in EACH
    ]
    expected = np.concatenate([one.thresholds for one in alone], axis=1)
    np.testing.assert_array_equal(found.thresholds, expected)
    assert found.objectives == pytest.approx(np.mean([one.objectives for one in alone], axis=0))
    _, evaluations = judge(LABELS, SCORES, scoring)
    for one, evaluation in zip(EACH, evaluations, strict=True):
        assert judge(LABELS[:, one], SCORES[:, one], scoring)[1] == (evaluation,)


def test_an_estimate_is_of_the_mean_over_the_findings() -> None:
    metrics = metrics_at(THRESHOLDS, "binary", 0.9)
    found = estimate(Scored(LABELS, PATIENTS, SCORES), metrics, num_resamples=50)
    values = Weighted.once(LABELS, SCORES).measure(metrics)
    for name, one in found.items():
        assert one.value == pytest.approx(values[name].mean())
        assert one.low < one.value < one.high
    means = [all_positive_f1(LABELS[:, one], "binary") for one in EACH]
    assert all_positive_f1(LABELS, "binary") == pytest.approx(np.mean(means))


def test_no_resample_lacks_a_class_of_any_finding() -> None:
    rare = np.zeros((40, 2), np.int64)
    rare[:2, 0], rare[38:, 1] = 1, 1
    for stratified in (False, True):
        drawn = resample_patients(rare, np.arange(40), 200, seed=0, stratified=stratified)
        assert (drawn @ rare > 0).all()
        assert (drawn @ (1 - rare) > 0).all()
    assert interval_tail(LABELS, PATIENTS) == interval_tail(LABELS[:, :1], PATIENTS)


def test_a_team_for_a_finding_that_is_listed_twice_is_that_for_it_alone() -> None:
    scores = np.clip(0.3 * LABELS[:, :1] + 0.7 * RNG.random((12, 120, 1)), 0, 1)
    once = Scored(LABELS[:, :1], PATIENTS, scores.astype(np.float32))
    twice = Scored(once.labels.repeat(2, axis=1), PATIENTS, once.scores.repeat(2, axis=2))
    alone, both = (
        select(one, Scoring(), TeamRule((1, 5)), num_resamples=50) for one in (once, twice)
    )
    assert both.members == alone.members
    assert both.thresholds == alone.thresholds * 2
    assert both.own_thresholds == tuple(one * 2 for one in alone.own_thresholds)
    assert both.apparent_f1 == pytest.approx(alone.apparent_f1)
    assert both.corrected_f1 == pytest.approx(alone.corrected_f1)
    assert both.interval == pytest.approx(alone.interval)


def test_scores_are_means_over_the_folds_and_rows_without_one_are_left_out() -> None:
    found = OutOfFold(4, 2)
    found.add(np.array([0, 2]), np.array([[0.2, 0.4], [0.6, 0.8]]))
    found.add(np.array([2]), np.array([[0.4, 0.4]]))
    expected = [[0.2, 0.4], [np.nan, np.nan], [0.5, 0.6], [np.nan, np.nan]]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)
    by_trial = np.stack([found.scores, found.scores])
    by_trial[1, 0, 1] = np.nan
    assert is_scored(found.scores).tolist() == [True, False, True, False]
    assert is_scored(by_trial).tolist() == [False, False, True, False]
