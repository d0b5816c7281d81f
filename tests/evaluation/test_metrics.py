"""Metrics of scores, compared with scikit-learn."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainable.evaluation.metrics import Evaluation, all_positive_f1, evaluate
from trainable.evaluation.scoring import F1_AVERAGES, F1Average, Scoring

SEEDS = range(4)

# TP, FN, FP, TN and the printed F1, in the order of the report's tables. It rounds to two digits,
# except that it cuts 0.337, which three tables show, to 0.33.
CUT_NOT_ROUNDED = (15, 15, 44, 204)
BACKBONES = [
    (4, 26, 23, 225, 0.14),
    (9, 21, 34, 214, 0.25),
    (16, 14, 98, 150, 0.22),
    (15, 15, 44, 204, 0.33),
    (6, 24, 46, 202, 0.15),
]
NORMALIZE = [(15, 15, 44, 204, 0.33), (13, 17, 38, 210, 0.32)]
AVERAGES = [
    (15, 15, 44, 204, 0.33),
    (19, 11, 45, 203, 0.40),
    (15, 15, 40, 208, 0.35),
    (16, 14, 50, 198, 0.33),
]
CUTS = [
    (12, 18, 47, 201, 0.27),
    (14, 16, 43, 205, 0.32),
    (8, 22, 29, 219, 0.24),
    (9, 21, 29, 219, 0.26),
    (19, 11, 45, 203, 0.40),
]


def random_scores(seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels, a fifth positive, and scores that know a little of them, some of them equal."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(200) < 0.2).astype(np.int64)
    scores = np.clip(0.3 * labels + rng.random(200) * 0.7, 0, 1).round(2)
    return labels, scores.astype(np.float32)


def evaluate_one(
    labels: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, average: F1Average
) -> Evaluation:
    """Metrics of labels and scores (num_images,) of one finding."""
    thresholds = np.array([threshold], np.float32)
    [found] = evaluate(labels[:, None], scores[:, None], thresholds, Scoring(f1_average=average))
    return found


def of_class(tp: int, fp: int, fn: int) -> float:
    return 2 * tp / (2 * tp + fp + fn)


@pytest.mark.parametrize(
    ("tp", "fn", "fp", "tn", "printed"), BACKBONES + NORMALIZE + AVERAGES + CUTS
)
def test_row_of_the_assignment_recomputes(
    tp: int, fn: int, fp: int, tn: int, printed: float
) -> None:
    labels = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    scores = np.repeat([0.9, 0.1, 0.9, 0.1], [tp, fn, fp, tn]).astype(np.float32)
    found = evaluate_one(labels, scores, 0.5, "binary")
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == (tp, fn, fp, tn)
    if (tp, fn, fp, tn) == CUT_NOT_ROUNDED:
        assert math.floor(100 * found["f1"]) / 100 == printed
    else:
        assert round(found["f1"], 2) == printed


def test_calling_all_of_the_assignment_positive_beats_two_of_its_rows() -> None:
    labels = np.repeat([1, 0], [30, 248])
    everything = all_positive_f1(labels[:, None], Scoring())
    assert round(everything, 3) == 0.195
    assert sum(row[-1] < everything for row in BACKBONES) == 2


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_average_equals_its_formula(seed: int, threshold: float) -> None:
    labels, scores = random_scores(seed)
    found = {average: evaluate_one(labels, scores, threshold, average) for average in F1_AVERAGES}
    tp, fn, fp, tn = (found["binary"][name] for name in ("tp", "fn", "fp", "tn"))
    positive, negative = of_class(tp, fp, fn), of_class(tn, fn, fp)
    share = labels.mean()
    assert found["binary"]["f1"] == pytest.approx(positive)
    assert found["macro"]["f1"] == pytest.approx((positive + negative) / 2)
    assert found["micro"]["f1"] == pytest.approx((tp + tn) / len(labels))
    assert found["weighted"]["f1"] == pytest.approx(share * positive + (1 - share) * negative)


@pytest.mark.parametrize("average", F1_AVERAGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_equals_scikit_learn(seed: int, average: F1Average) -> None:
    labels, scores = random_scores(seed)
    positives = scores >= np.float32(0.5)
    found = evaluate_one(labels, scores, 0.5, average)
    expected = {
        "f1": sk.f1_score(labels, positives, average=average),
        "precision": sk.precision_score(labels, positives),
        "recall": sk.recall_score(labels, positives),
        "specificity": sk.recall_score(labels, positives, pos_label=0),
        "auc": sk.roc_auc_score(labels, scores),
        "average_precision": sk.average_precision_score(labels, scores),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)  # type: ignore[literal-required]


@pytest.mark.parametrize("average", F1_AVERAGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_all_positive_is_the_score_of_a_threshold_of_zero(seed: int, average: F1Average) -> None:
    labels, scores = random_scores(seed)
    assert (
        all_positive_f1(labels[:, None], Scoring(f1_average=average))
        == evaluate_one(labels, scores, 0.0, average)["f1"]
    )


def test_score_at_the_threshold_is_positive() -> None:
    scores = np.array([0.1, 0.5, 0.7], np.float32)
    for score, positives in zip([0.1, 0.5, 0.7], [3, 2, 1], strict=True):
        found = evaluate_one(np.array([1, 1, 1]), scores, score, "binary")
        assert found["tp"] == positives


@pytest.mark.parametrize(
    ("labels", "scores", "counts"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], (0, 0, 0, 3)),
        ([0, 0, 0], [0.9, 0.2, 0.3], (0, 0, 1, 2)),
        ([1, 1, 0], [0.1, 0.2, 0.3], (0, 2, 0, 1)),
        ([1, 1, 1], [0.1, 0.2, 0.3], (0, 3, 0, 0)),
    ],
)
def test_binary_f1_without_a_true_positive_is_0(
    labels: list[int], scores: list[float], counts: tuple[int, int, int, int]
) -> None:
    found = evaluate_one(np.array(labels), np.array(scores, np.float32), 0.5, "binary")
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == counts
    assert found["f1"] == found["precision"] == found["recall"] == 0


@pytest.mark.parametrize("average", F1_AVERAGES)
@pytest.mark.parametrize("label", [0, 1])
def test_single_class_has_no_ranking_but_finite_counts(label: int, average: F1Average) -> None:
    found = evaluate_one(np.array([label] * 3), np.array([0.1, 0.6, 0.7], np.float32), 0.5, average)
    assert found["auc"] is None
    assert found["average_precision"] is None
    assert all(np.isfinite(value) for value in found.values() if isinstance(value, float))


@pytest.mark.parametrize("average", F1_AVERAGES)
def test_perfect_scores_are_worth_1(average: F1Average) -> None:
    found = evaluate_one(np.array([0, 1, 0]), np.array([0.1, 0.9, 0.2], np.float32), 0.5, average)
    ratios = {"f1", "precision", "recall", "specificity", "auc", "average_precision"}
    assert {name for name, value in found.items() if value == 1.0} >= ratios
