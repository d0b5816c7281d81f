"""Scores are recalibrated where that is better, as patients left out of resamples say."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from search.winner.recalibration import choose_recalibration
from search.winner.selection import TeamRule, select
from trainable.cohort.scored import Scored
from trainable.evaluation.curves import slope_and_intercept
from trainable.evaluation.intervals import resample_patients
from trainable.evaluation.recalibration import Recalibration, recalibrated
from trainable.evaluation.scoring import Scoring, ThresholdPolicy

RNG = np.random.default_rng(0)
RISKS = np.sort(np.clip(RNG.beta(1, 3, 800), 0.01, 0.99))
# as many positives as there should be, up to each risk
LABELS = np.diff(np.floor(np.cumsum(RISKS) + 0.5), prepend=0).astype(np.int64)[:, None]
TIMID = expit(0.4 * logit(RISKS) - 0.5)


def scored(risks: NDArray[np.float64], labels: NDArray[np.int64] = LABELS) -> Scored:
    """Scores of one trial for each column of labels."""
    scores = np.broadcast_to(risks.astype(np.float32)[None, :, None], (1, *labels.shape))
    return Scored(labels, np.arange(len(labels)), scores)


def chosen(given: Scored) -> Recalibration | None:
    weights = resample_patients(
        given.labels, given.patients, 40, seed=0, stratified=True, with_all=True
    )
    return choose_recalibration(given, [np.array([0])] * len(weights), weights, 0.4).recalibration


def test_timid_scores_are_spread_and_what_is_told_of_them_is_true() -> None:
    given = scored(TIMID)
    found = chosen(given)
    assert found is not None
    assert found.before.slope == pytest.approx(1 / 0.4, rel=0.1)
    assert found.after.slope == pytest.approx(1, abs=0.15)
    assert found.after.intercept == pytest.approx(0, abs=0.1)
    new = np.clip(np.random.default_rng(1).beta(1, 3, 20_000), 0.01, 0.99)
    labels = np.random.default_rng(2).random(20_000) < new
    raw = expit(0.4 * logit(new) - 0.5).astype(np.float32)
    slopes, losses = [], []
    for scores in (raw, recalibrated(raw[:, None], [found], [found.threshold])[:, 0]):
        of_label = np.where(labels, scores, 1 - scores)
        losses.append(-np.log(of_label).mean())
        slopes.append(slope_and_intercept(labels, logit(scores.astype(np.float64)))[0])
    assert losses[1] < losses[0] - 0.02
    assert slopes[1] == pytest.approx(1, abs=0.1)
    assert found.before.log_loss - found.after.log_loss == pytest.approx(
        losses[0] - losses[1], abs=0.02
    )


def test_right_scores_stay_and_so_do_those_of_few_patients_or_of_one_class() -> None:
    assert chosen(scored(RISKS)) is None
    few = np.concatenate([np.flatnonzero(LABELS[:, 0])[:9], np.flatnonzero(LABELS[:, 0] == 0)])
    assert chosen(scored(TIMID).take(few)) is None
    assert chosen(scored(TIMID, np.zeros_like(LABELS))) is None


def test_each_finding_has_a_map_of_the_images_whose_label_is_known() -> None:
    labels = np.repeat(LABELS, 2, axis=1)
    labels[::2, 1] = -1
    given = scored(TIMID, labels)
    found = select(given, Scoring(f1_average="macro"), TeamRule((1,)), num_resamples=40)
    first, second = found.recalibrations
    assert first is not None
    assert second is not None
    assert first.raw_threshold == found.thresholds[0]
    # the images whose label is not known have other scores, and no part
    other = np.where(labels[..., 1] < 0, 1 - TIMID, TIMID)
    columns = np.stack([TIMID, other], axis=1).astype(np.float32)[None]
    again = select(Scored(labels, given.patients, columns), Scoring(f1_average="macro"),
                   TeamRule((1,)), num_resamples=40)  # fmt: skip
    assert again.recalibrations == found.recalibrations
    assert first != second


@pytest.mark.parametrize(
    ("scoring", "rule"),
    [
        (Scoring(), TeamRule((1,), recalibrates=False)),
        (Scoring(ThresholdPolicy.parse("0.5")), TeamRule((1,))),
        (Scoring(f1_average="macro", exclusive=True), TeamRule((1,))),
    ],
)
def test_scores_stay_if_asked_and_where_a_map_would_change_what_is_predicted(
    scoring: Scoring, rule: TeamRule
) -> None:
    labels = np.concatenate([LABELS, 1 - LABELS], axis=1) if scoring.exclusive else LABELS
    found = select(scored(TIMID, labels), scoring, rule, num_resamples=10)
    assert not any(found.recalibrations)


def test_a_map_is_fitted_to_each_resample_and_few_patients_have_none() -> None:
    found = select(scored(TIMID), Scoring(), TeamRule((1,)), num_resamples=40)
    [whole], maps = found.recalibrations, found.resampled.maps[:, 0]
    assert whole is not None
    assert len(np.unique(maps, axis=0)) > 30
    slopes = logit(np.float64(0.6)) * maps[:, :2].mean(axis=1) + maps[:, 2]
    expected = logit(np.float64(0.6)) * (whole.of_score + whole.of_rest) / 2 + whole.shift
    assert slopes.mean() == pytest.approx(expected, abs=0.3)
    few = scored(TIMID).take(np.arange(0, 800, 40))
    unchanged = select(few, Scoring(), TeamRule((1,)), num_resamples=5).resampled.maps
    assert np.array_equal(unchanged, np.tile([1.0, 1.0, 0.0], (5, 1, 1)))
