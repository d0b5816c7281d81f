"""Patients are drawn, not images; what is drawn is counted right."""

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import (
    Estimate,
    estimate,
    interval_tail,
    percentile_interval,
    resample_patients,
)
from trainable.evaluation.metrics import Weighted, metrics_at
from trainable.evaluation.scoring import Scoring

PATIENTS = np.repeat(np.arange(60), np.arange(60) % 3 + 1)
FIRST_IMAGES = np.searchsorted(PATIENTS, np.arange(60))
LABELS = (PATIENTS < 12).astype(np.int64)
SCORES = np.clip(0.3 * LABELS + np.random.default_rng(0).random(len(LABELS)) * 0.7, 0, 1).astype(
    np.float32
)
METRICS = metrics_at(np.array([0.5], np.float32), Scoring(), 0.9)


@pytest.mark.parametrize("stratified", [False, True])
def test_a_patients_images_are_drawn_together_as_many_patients_as_there_are(
    stratified: bool,
) -> None:
    weights = resample_patients(LABELS[:, None], PATIENTS, 50, seed=0, stratified=stratified)
    assert weights.shape == (50, len(LABELS))
    by_patient = weights[:, FIRST_IMAGES]
    assert np.array_equal(by_patient[:, PATIENTS], weights)
    assert (by_patient.sum(axis=1) == 60).all()
    assert len(np.unique(by_patient, axis=0)) == 50


def test_the_share_of_positive_patients_varies_as_in_cohorts_unless_it_is_kept() -> None:
    free, kept = (
        resample_patients(LABELS[:, None], PATIENTS, 2000, seed=0, stratified=stratified)
        for stratified in (False, True)
    )
    num_positive = free[:, FIRST_IMAGES[:12]].sum(axis=1)
    assert num_positive.mean() == pytest.approx(12, abs=0.3)
    assert num_positive.var() == pytest.approx(60 * 0.2 * 0.8, rel=0.1)
    assert (kept[:, FIRST_IMAGES[:12]].sum(axis=1) == 12).all()


def test_a_row_of_all_images_stands_before_the_same_resamples() -> None:
    drawn = resample_patients(LABELS[:, None], PATIENTS, 30, seed=0, stratified=True)
    both = resample_patients(LABELS[:, None], PATIENTS, 30, seed=0, stratified=True, with_all=True)
    assert (both[0] == 1).all()
    np.testing.assert_array_equal(both[1:], drawn)


@pytest.mark.parametrize("stratified", [False, True])
def test_a_patient_of_both_labels_is_drawn_whole_and_no_resample_lacks_a_class(
    stratified: bool,
) -> None:
    labels, patients = np.array([1, 0, 1, 0, 0]), np.array([7, 7, 3, 5, 9])
    weights = resample_patients(labels[:, None], patients, 400, seed=0, stratified=stratified)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    for label in (0, 1):
        assert (weights[:, labels == label].sum(axis=1) > 0).all()
    one_class = resample_patients(
        np.zeros((3, 1), np.int64), np.arange(3), 10, seed=0, stratified=stratified
    )
    assert (one_class.sum(axis=1) == 3).all()


def test_the_same_seed_draws_the_same() -> None:
    draws = [
        resample_patients(LABELS[:, None], PATIENTS, 20, seed=seed, stratified=False)
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_intervals_of_few_patients_leave_out_less() -> None:
    few = interval_tail(np.repeat([1, 0], [10, 500])[:, None], np.arange(510))
    many = interval_tail(np.repeat([1, 0], [300, 500])[:, None], np.arange(800))
    assert 0 < few < many < 0.025
    assert interval_tail(np.array([[1], [0], [0]]), np.arange(3)) == 0
    values = np.arange(1001) / 1000
    assert percentile_interval(values, 0.025) == (0.025, 0.975)


@pytest.mark.parametrize("all_scores", [SCORES, SCORES.round(1)], ids=["different", "equals"])
def test_metrics_under_weights_are_those_of_as_many_copies(
    all_scores: NDArray[np.float32],
) -> None:
    weights = resample_patients(LABELS[:, None], PATIENTS, 3, seed=0, stratified=False)
    found = Weighted(LABELS[:, None], all_scores[:, None], weights).measure(METRICS)
    for number, row in enumerate(weights.astype(int)):
        labels, scores = np.repeat(LABELS, row), np.repeat(all_scores, row)
        positives = scores >= 0.5
        expected = {
            "F1": sk.f1_score(labels, positives),
            "sensitivity": sk.recall_score(labels, positives),
            "specificity": sk.recall_score(labels, positives, pos_label=0),
            "AUC": sk.roc_auc_score(labels, scores),
            "average precision": sk.average_precision_score(labels, scores),
            "Brier score": sk.brier_score_loss(labels, scores),
        }
        for name, value in expected.items():
            assert found[name][number, 0] == pytest.approx(value, rel=1e-5), name
        at = np.append(np.unique(scores), 2)
        found_share = np.array([(scores[labels == 1] >= t).mean() for t in at])
        spared_share = np.array([(scores[labels == 0] < t).mean() for t in at])
        by_name = {name: values[number] for name, values in found.items()}
        assert by_name["sensitivity at specificity 0.9"] == pytest.approx(
            found_share[spared_share >= 0.9].max()
        )
        assert by_name["specificity at sensitivity 0.9"] == pytest.approx(
            spared_share[found_share >= 0.9].max()
        )


def estimate_copies(times: int, *, same_patients: bool) -> dict[str, Estimate]:
    """Metrics of the cohort, repeated."""
    patients = [PATIENTS + (0 if same_patients else 100 * number) for number in range(times)]
    labels, scores = np.tile(LABELS, times), np.tile(SCORES, times)
    everyone = np.concatenate(patients)
    scored = Scored(labels[:, None], everyone, scores[:, None])
    return estimate(scored, METRICS, num_resamples=100)


def test_intervals_hold_their_value_and_shrink_with_more_patients() -> None:
    one, four = estimate_copies(1, same_patients=False), estimate_copies(4, same_patients=False)
    for name in ("F1", "AUC", "Brier score"):
        assert one[name].low < one[name].value < one[name].high
        assert four[name].value == pytest.approx(one[name].value)
        ratio = (four[name].high - four[name].low) / (one[name].high - one[name].low)
        assert 0.3 < ratio < 0.7


def test_copies_of_a_patients_images_make_no_interval_smaller() -> None:
    once, twice = estimate_copies(1, same_patients=True), estimate_copies(2, same_patients=True)
    for name in ("F1", "AUC"):
        assert astuple(twice[name]) == pytest.approx(astuple(once[name]))
