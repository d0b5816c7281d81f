"""Several findings at once are judged as each of them is alone."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from search.winner.selection import TeamRule, select
from trainable.cohort.scored import OutOfFold, Scored, is_scored
from trainable.evaluation.counts import (
    decide,
    f1_of_counts,
    f1_of_each,
    f1_over_findings,
    weighted_counts,
)
from trainable.evaluation.intervals import (
    estimate,
    estimate_each,
    interval_tail,
    resample_patients,
)
from trainable.evaluation.metrics import (
    RANKED,
    Weighted,
    all_positive_f1,
    counts_of,
    evaluate,
    f1_at,
    metrics_at,
)
from trainable.evaluation.scoring import F1_AVERAGES, F1Average, Objective, Scoring, ThresholdPolicy
from trainable.evaluation.thresholds import choose_thresholds, judge

RNG = np.random.default_rng(0)
PATIENTS = np.arange(120) // 2
LABELS = (RNG.random((120, 3)) < [0.1, 0.3, 0.5]).astype(np.int64)
SCORES = np.clip(0.3 * LABELS + 0.7 * RNG.random((120, 3)), 0, 1).round(2).astype(np.float32)
THRESHOLDS = np.array([0.3, 0.5, 0.7], np.float32)
WEIGHTS = RNG.integers(0, 4, (5, 120)).astype(np.float32)
EACH = [slice(finding, finding + 1) for finding in range(3)]
MACRO = Scoring(f1_average="macro")
SEVERAL: tuple[F1Average, ...] = ("macro", "micro", "weighted")
UNKNOWN = LABELS.copy()
UNKNOWN[RNG.random((120, 3)) < 0.3] = -1
# several classes: one holds of each image
CLASSES = np.eye(3, dtype=np.int64)[RNG.choice(3, 120, p=[0.6, 0.3, 0.1])]
SHARES = (0.4 * CLASSES + RNG.random((120, 3))).astype(np.float32)
SHARES /= SHARES.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("labels", [LABELS, UNKNOWN], ids=["known", "some unknown"])
def test_each_metric_of_each_finding_is_that_of_its_known_images_alone(
    labels: NDArray[np.int64],
) -> None:
    log_loss = {"log loss": RANKED["log_loss"]}
    found = Weighted(labels, SCORES, WEIGHTS).measure(metrics_at(THRESHOLDS, MACRO, 0.9) | log_loss)
    for one in EACH:
        metrics = metrics_at(THRESHOLDS[one], Scoring(), 0.9) | log_loss
        rows = labels[:, one.start] >= 0
        alone = Weighted(labels[rows, one], SCORES[rows, one], WEIGHTS[:, rows]).measure(metrics)
        for name, values in found.items():
            assert values.shape == (5, 3)
            np.testing.assert_allclose(values[:, one], alone[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("objective", ["f1", "auc"])
@pytest.mark.parametrize("policy", ["best", "sensitivity:0.9", "0.4"])
@pytest.mark.parametrize("labels", [LABELS, UNKNOWN], ids=["known", "some unknown"])
def test_each_finding_has_its_own_threshold_and_the_objective_is_the_mean(
    labels: NDArray[np.int64], policy: str, objective: Objective
) -> None:
    wanted = ThresholdPolicy.parse(policy)
    scoring = Scoring(wanted, "macro", objective)
    of_one = Scoring(wanted, objective=objective)
    found = choose_thresholds(Weighted(labels, SCORES, WEIGHTS), scoring)
    rows = [labels[:, one.start] >= 0 for one in EACH]
    alone = [
        choose_thresholds(
            Weighted(labels[known, one], SCORES[known, one], WEIGHTS[:, known]), of_one
        )
        for one, known in zip(EACH, rows, strict=True)
    ]
    expected = np.concatenate([one.thresholds for one in alone], axis=1)
    np.testing.assert_array_equal(found.thresholds, expected)
    assert found.objectives == pytest.approx(np.mean([one.objectives for one in alone], axis=0))
    _, evaluations = judge(labels, SCORES, scoring)
    for one, known, evaluation in zip(EACH, rows, evaluations, strict=True):
        assert judge(labels[known, one], SCORES[known, one], of_one)[1] == (evaluation,)


@pytest.mark.parametrize("average", SEVERAL)
def test_an_f1_over_findings_is_that_of_scikit_learn(average: F1Average) -> None:
    positives = decide(SCORES, THRESHOLDS, exclusive=False)
    counts = weighted_counts(LABELS, positives, np.ones((1, 120)))
    expected = sk.f1_score(LABELS, positives, average=average)
    assert f1_over_findings(counts, average) == pytest.approx([expected])
    at = f1_at(THRESHOLDS, Scoring(f1_average=average))
    assert at(Weighted.once(LABELS, SCORES)) == pytest.approx(np.array([[expected]]))
    records = evaluate(LABELS, SCORES, THRESHOLDS, Scoring(f1_average=average))
    assert f1_over_findings(counts_of(records), average) == pytest.approx(expected)
    assert [one["f1"] for one in records] == pytest.approx(
        sk.f1_score(LABELS, positives, average=None)
    )
    every = np.ones_like(LABELS)
    found = all_positive_f1(LABELS, Scoring(f1_average=average))
    assert found == pytest.approx(sk.f1_score(LABELS, every, average=average))


@pytest.mark.parametrize("average", F1_AVERAGES)
def test_the_f1_over_one_finding_is_its_f1(average: F1Average) -> None:
    counts = RNG.integers(1, 9, (4, 7, 1))
    expected = f1_of_counts(counts[..., 0], average)
    assert np.array_equal(f1_over_findings(counts, average), expected)
    assert np.array_equal(f1_of_each(counts, average)[:, 0], expected)


def test_a_binary_f1_of_several_findings_is_refused() -> None:
    with pytest.raises(ValueError, match="of one finding"):
        f1_over_findings(np.ones((4, 3)), "binary")


@pytest.mark.parametrize("average", ["micro", "weighted"])
def test_an_objective_over_findings_at_a_threshold_is_the_f1_there(average: F1Average) -> None:
    scoring = Scoring(ThresholdPolicy.parse("sensitivity:0.8"), average)
    found = choose_thresholds(Weighted(UNKNOWN, SCORES, WEIGHTS), scoring)
    positives = decide(SCORES, found.thresholds[:, None], exclusive=False)
    expected = f1_over_findings(weighted_counts(UNKNOWN, positives, WEIGHTS), average)
    assert found.objectives == pytest.approx(expected)


def test_of_several_classes_the_one_with_the_highest_ratio_is_predicted() -> None:
    positives = decide(SHARES, THRESHOLDS, exclusive=True)
    assert (positives.sum(axis=1) == 1).all()
    predicted = (SHARES / THRESHOLDS).argmax(axis=1)
    assert np.array_equal(positives.argmax(axis=1), predicted)
    scoring = Scoring(f1_average="macro", exclusive=True)
    records = evaluate(CLASSES, SHARES, THRESHOLDS, scoring)
    matrix = sk.confusion_matrix(CLASSES.argmax(axis=1), predicted)
    assert [one["tp"] for one in records] == np.diag(matrix).tolist()
    assert [one["fp"] + one["tp"] for one in records] == matrix.sum(axis=0).tolist()
    of_each = sk.f1_score(CLASSES.argmax(axis=1), predicted, average=None)
    assert [one["f1"] for one in records] == pytest.approx(of_each)
    best = max(
        sk.f1_score(CLASSES.argmax(axis=1), np.full(120, number), average="macro")
        for number in range(3)
    )
    assert all_positive_f1(CLASSES, scoring) == pytest.approx(best)
    equal = np.full((2, 3), 1 / 3, np.float32)
    for same in (0.0, 0.5):
        at = np.full(3, same, np.float32)
        assert decide(equal, at, exclusive=True)[:, 0].all(), "the first of equals"
        assert np.array_equal(
            decide(SHARES, at, exclusive=True).argmax(axis=1), SHARES.argmax(axis=1)
        )


def test_an_estimate_is_of_the_mean_over_the_findings_and_of_each() -> None:
    metrics = metrics_at(THRESHOLDS, MACRO, 0.9)
    scored = Scored(UNKNOWN, PATIENTS, SCORES)
    found = estimate(scored, metrics, num_resamples=50)
    each = estimate_each(scored, metrics, num_resamples=50)
    values = Weighted.once(UNKNOWN, SCORES).measure(metrics)
    for name, one in found.items():
        assert one.value == pytest.approx(values[name].mean())
        assert [of[name].value for of in each] == pytest.approx(values[name][0])
        for interval in (one, *(of[name] for of in each)):
            assert interval.low <= interval.value <= interval.high
    once = Scored(LABELS[:, :1], PATIENTS, SCORES[:, :1])
    alone = metrics_at(THRESHOLDS[:1], Scoring(), 0.9)
    assert estimate_each(once, alone, num_resamples=50) == (estimate(once, alone, 50),)


def test_no_resample_lacks_a_class_of_any_finding() -> None:
    rare = np.zeros((40, 2), np.int64)
    rare[:2, 0], rare[38:, 1] = 1, 1
    for stratified in (False, True):
        drawn = resample_patients(rare, np.arange(40), 200, seed=0, stratified=stratified)
        assert (drawn @ rare > 0).all()
        assert (drawn @ (1 - rare) > 0).all()
    assert interval_tail(LABELS, PATIENTS) == interval_tail(LABELS[:, :1], PATIENTS)


def test_every_finding_has_nearly_as_many_positive_patients_in_each_resample() -> None:
    free, kept = (
        resample_patients(UNKNOWN, PATIENTS, 300, seed=0, stratified=stratified)
        for stratified in (False, True)
    )
    spread = [(drawn @ (UNKNOWN == 1)).std(axis=0) for drawn in (free, kept)]
    assert (spread[1] < spread[0]).all()
    # nobody of the rarest finding is drawn for another one
    rarest = int((UNKNOWN == 1).sum(axis=0).argmin())
    patients = np.unique(PATIENTS[UNKNOWN[:, rarest] == 1])
    firsts = np.searchsorted(PATIENTS, patients)
    assert (kept[:, firsts].sum(axis=1) == len(patients)).all()
    assert (kept[:, ::2].sum(axis=1) == 60).all()


def test_a_team_for_a_finding_that_is_listed_twice_is_that_for_it_alone() -> None:
    scores = np.clip(0.3 * LABELS[:, :1] + 0.7 * RNG.random((12, 120, 1)), 0, 1)
    once = Scored(LABELS[:, :1], PATIENTS, scores.astype(np.float32))
    twice = Scored(once.labels.repeat(2, axis=1), PATIENTS, once.scores.repeat(2, axis=2))
    alone, both = (
        select(one, MACRO if one is twice else Scoring(), TeamRule((1, 5)), num_resamples=50)
        for one in (once, twice)
    )
    assert both.members == alone.members
    assert both.thresholds == alone.thresholds * 2
    assert both.own_thresholds == tuple(one * 2 for one in alone.own_thresholds)
    assert both.corrected.apparent == pytest.approx(alone.corrected.apparent)
    assert both.corrected.f1 == pytest.approx(alone.corrected.f1)
    assert both.corrected.interval == pytest.approx(alone.corrected.interval)


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


def test_findings_alone_hold_the_examinations_whose_labels_are_known() -> None:
    both = np.stack([SCORES, SCORES])
    for number in range(3):
        one = Scored(UNKNOWN, PATIENTS, both).of_findings([number])
        rows = UNKNOWN[:, number] >= 0
        assert np.array_equal(one.labels, UNKNOWN[rows, number, None])
        assert np.array_equal(one.scores, both[:, rows, number, None])
        assert np.array_equal(one.patients, PATIENTS[rows])
    assert not Scored(np.array([[-1, 0], [0, 1]]), PATIENTS[:2], SCORES[:2, :2]).has_both
