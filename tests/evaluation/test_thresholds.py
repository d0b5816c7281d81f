"""The threshold is where its policy says, found by trying every one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainable.evaluation.metrics import Weighted
from trainable.evaluation.scoring import F1_AVERAGES, F1Average, Scoring, ThresholdPolicy
from trainable.evaluation.thresholds import choose_thresholds, judge

BEST = ThresholdPolicy("best")


def choose_threshold(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
) -> tuple[float, float]:
    """Threshold and objective of labels and scores (num_images,) of one finding."""
    objective, [found] = judge(labels[:, None], scores[:, None], Scoring(policy, average))
    return found["threshold"], objective


def few_scores(seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels with 4 positives, too few for a mean over neighbours, and scores with equals."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [4, 36])
    return labels, np.clip(0.3 * labels + rng.random(40) * 0.7, 0, 1).round(1).astype(np.float32)


@pytest.mark.parametrize("average", F1_AVERAGES)
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_has_a_better_f1_than_the_best(seed: int, average: F1Average) -> None:
    labels, scores = few_scores(seed)
    threshold, objective = choose_threshold(labels, scores, BEST, average)
    every = [
        sk.f1_score(labels, scores >= at, average=average, zero_division=0.0)
        for at in (*np.unique(scores), 2.0)
    ]
    assert objective == pytest.approx(max(every))
    chosen = sk.f1_score(labels, scores >= np.float32(threshold), average=average)
    assert chosen == pytest.approx(max(every))


@pytest.mark.parametrize("policy", ["best", "0.4", "sensitivity:0.7", "specificity:0.8"])
@pytest.mark.parametrize("average", F1_AVERAGES)
def test_a_weight_is_a_number_of_copies(policy: str, average: F1Average) -> None:
    labels, scores = few_scores(0)
    weights = np.random.default_rng(1).integers(0, 4, (5, 40))
    wanted = ThresholdPolicy.parse(policy)
    given = Weighted(labels[:, None], scores[:, None], weights.astype(np.float32))
    found = choose_thresholds(given, Scoring(wanted, average))
    thresholds = found.thresholds[:, 0]
    for row, threshold, objective in zip(weights, thresholds, found.objectives, strict=True):
        copies = np.repeat(labels, row), np.repeat(scores, row)
        if policy != "best":
            expected = choose_threshold(*copies, wanted, average)
            assert (threshold, objective) == pytest.approx(expected)
        else:
            f1 = sk.f1_score(copies[0], copies[1] >= threshold, average=average)
            assert f1 == pytest.approx(objective)


@pytest.mark.parametrize("wanted", [0.25, 0.5, 0.98, 1.0])
def test_a_wanted_sensitivity_is_reached_by_the_highest_threshold_that_does(wanted: float) -> None:
    labels, scores = few_scores(2)
    threshold, _ = choose_threshold(
        labels, scores, ThresholdPolicy("sensitivity", wanted), "binary"
    )
    assert (scores[labels == 1] >= np.float32(threshold)).mean() >= wanted
    # midway to the next lower score of an image
    lower, upper = scores[scores < threshold].max(initial=0), scores[scores >= threshold].min()
    assert (scores[labels == 1] > upper).mean() < wanted
    assert threshold == pytest.approx((lower + upper) / 2)


def test_the_objective_is_the_mean_f1_of_a_third_of_the_candidates() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [40, 160])
    scores = rng.normal(labels, 1).astype(np.float32)
    threshold, objective = choose_threshold(labels, scores, BEST, "binary")
    candidates = np.array([np.inf, *np.sort(scores[labels == 1])[::-1]])
    f1 = [sk.f1_score(labels, scores >= at, zero_division=0.0) for at in candidates]
    around = [np.mean(f1[place - 6 : place + 7]) for place in range(6, 35)]
    assert objective == pytest.approx(max(around))
    found = candidates[6 + int(np.argmax(around))]
    assert threshold == pytest.approx((found + scores[scores < found].max()) / 2)
    assert objective < max(f1)


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.95, 1.0])
def test_a_wanted_specificity_is_kept_by_the_lowest_threshold_that_keeps_it(wanted: float) -> None:
    for seed in range(4):
        labels, scores = few_scores(seed)
        threshold, _ = choose_threshold(
            labels, scores, ThresholdPolicy("specificity", wanted), "binary"
        )
        negatives, positives = scores[labels == 0], scores[labels == 1]
        assert (negatives < np.float32(threshold)).mean() >= wanted - 1e-9
        lower = positives[positives < np.float32(threshold)]
        assert all((negatives < one).mean() < wanted for one in lower), "one more would be found"


@pytest.mark.parametrize("policy", ["best", "sensitivity:0.9"])
@pytest.mark.parametrize("num_positive", [12, 400])
def test_images_that_were_not_drawn_have_no_part_in_a_threshold(
    policy: str, num_positive: int
) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [num_positive, 2 * num_positive])[:, None]
    scores = rng.random((len(labels), 1)).astype(np.float32)
    scoring = Scoring(ThresholdPolicy.parse(policy))
    for weights in rng.poisson(1, (20, 1, len(labels))).astype(np.float32):
        left_out = weights[0] == 0
        others = scores.copy()
        others[left_out] = rng.permutation(scores[left_out])
        one, other = (
            choose_thresholds(Weighted(labels, each, weights), scoring) for each in (scores, others)
        )
        assert (one.thresholds, one.objectives) == (other.thresholds, other.objectives)
        drawn = scores[~left_out]
        assert not np.isin(one.thresholds, drawn), "between scores, not at one"


def test_a_threshold_is_between_numbers_even_where_float32_has_none_and_at_the_ends() -> None:
    labels = np.array([[0], [1]])
    next_to = np.nextafter(np.float32(0.5), np.float32(1))
    for lower, upper in ((0.5, next_to), (0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0)):
        scores = np.array([[lower], [upper]], np.float32)
        [[threshold]] = choose_thresholds(Weighted.once(labels, scores), Scoring()).thresholds
        assert (scores[:, 0] >= threshold).tolist() == [lower == upper, True]
        assert 0 <= threshold <= 1


def test_many_positives_are_tried_at_quantiles_with_little_loss() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [3000, 6000])
    scores = rng.normal(labels, 1).astype(np.float32)
    threshold, _ = choose_threshold(labels, scores, BEST, "binary")
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    best = (2 * precision * recall / (precision + recall)).max()
    assert sk.f1_score(labels, scores >= np.float32(threshold)) > best - 0.005


def test_policies_are_read_as_they_are_written() -> None:
    assert ThresholdPolicy.parse("best") == BEST
    assert ThresholdPolicy.parse("0.5") == ThresholdPolicy("fixed", 0.5)
    assert ThresholdPolicy.parse("sensitivity:0.98") == ThresholdPolicy("sensitivity", 0.98)


@pytest.mark.parametrize(
    "text", ["", "beste", "1.5", "-0.1", "nan", "sensitivity", "specificity:0", "recall:0.9"]
)
def test_what_is_no_policy_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="write best, a number"):
        ThresholdPolicy.parse(text)
