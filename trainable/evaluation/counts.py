"""From scores to predictions, their confusion matrices, and F1s of these."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.scoring import F1Average

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0

Thresholds = NDArray[np.float32]
"""One threshold per finding, (num_findings,); see `decide`."""


def decide(
    scores: NDArray[np.float32], thresholds: Thresholds, *, exclusive: bool
) -> NDArray[np.bool_]:
    """Which findings (..., num_exams, num_findings) are predicted positive.

    Those whose score is at least the threshold; of several classes the one with the highest ratio
    of score to threshold, the first of equals.

    Args:
        scores: (..., num_exams, num_findings).
        thresholds: (num_findings,), or with axes in front, as scores have them.
        exclusive: Whether there are several classes, of which one holds.

    >>> scores, thresholds = np.array([[0.5, 0.3, 0.2]]), np.array([0.6, 0.3, 0.25])
    >>> decide(scores, thresholds, exclusive=True).tolist()
    [[False, True, False]]
    """
    if not exclusive:
        return np.asarray(scores >= thresholds)
    ratios = scores / np.maximum(thresholds, _LEAST, dtype=np.float64)
    return np.asarray(ratios.argmax(axis=-1)[..., None] == np.arange(scores.shape[-1]))


def weighted_counts(
    labels: NDArray[np.int64], positives: NDArray[np.bool_], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Confusion matrices under any number of weightings of the images; unknown labels are left out.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative, -1 unknown.
        positives: Whether predicted positive, (num_images, num_findings), or with an axis of
            weightings in front where each weighting has its own predictions.
        weights: (num_weightings, num_images), how often each image counts.

    Returns:
        TP, FN, FP and TN, (4, num_weightings, num_findings).
    """
    actual, not_actual = labels == 1, labels == 0
    cells = (actual & positives, actual & ~positives, not_actual & positives,
             not_actual & ~positives)  # fmt: skip
    counts = [np.einsum("...i,...if->...f", weights, cell, dtype=np.float64) for cell in cells]
    return np.stack(counts)


def f1_of_counts(counts: NDArray[Any], average: F1Average) -> NDArray[np.float64]:
    """F1 of any number of confusion matrices at once, 0 where it is undefined.

    scikit-learn's `f1_score`, for arrays of counts: a selection that is bootstrapped asks for some
    ten million of them.

    Args:
        counts: TP, FN, FP and TN, (4, ...), 0 or more, not all of them 0.
        average: "binary" for the positive class, 2 TP / (2 TP + FP + FN), or over both classes;
            "macro" leaves out a class that is neither found nor predicted.

    >>> f1_of_counts(np.array([[1, 2], [1, 0], [1, 0], [1, 2]]), "binary").tolist()
    [0.5, 1.0]
    """
    tp, fn, fp, tn = np.asarray(counts, np.float64)
    if average == "micro":
        return np.asarray((tp + tn) / (tp + fn + fp + tn))
    errors = fp + fn
    of_positives = 2 * tp / np.maximum(2 * tp + errors, _LEAST)
    if average == "binary":
        return np.asarray(of_positives)
    of_negatives = 2 * tn / np.maximum(2 * tn + errors, _LEAST)
    if average == "macro":
        weights = [2 * tp + errors > 0, 2 * tn + errors > 0]
    else:
        weights = [tp + fn, tn + fp]
    return np.average([of_positives, of_negatives], axis=0, weights=weights)


def average_of_each(average: F1Average, num_findings: int) -> F1Average:
    """The F1 of each finding: of several, that of its positive class."""
    return average if num_findings == 1 else "binary"


def f1_of_each(counts: NDArray[Any], average: F1Average) -> NDArray[np.float64]:
    """F1s (..., num_findings) of the findings' confusion matrices (4, ..., num_findings)."""
    return f1_of_counts(counts, average_of_each(average, counts.shape[-1]))


def f1_over_findings(counts: NDArray[Any], average: F1Average) -> NDArray[np.float64]:
    """F1s (...) over the findings of confusion matrices (4, ..., num_findings).

    Of one finding its F1. Of several "macro" is the mean of their F1s, "weighted" the mean by
    numbers of positives, and "micro" the F1 of all their predictions together, as in scikit-learn.

    >>> counts = np.array([[1, 4], [1, 0], [1, 0], [7, 6]])
    >>> [round(float(f1_over_findings(counts, one)), 3) for one in ("macro", "micro", "weighted")]
    [0.75, 0.833, 0.833]
    """
    return mean_over_findings(f1_of_each(counts, average), counts, average)


def mean_over_findings(
    f1s: NDArray[np.float64], counts: NDArray[Any], average: F1Average
) -> NDArray[np.float64]:
    """Average (...) of the findings' F1s (..., num_findings), near which the counts are.

    The F1 of all predictions together is the mean by numbers of positives and of predicted ones.

    Raises:
        ValueError: If the average is "binary", of several findings.
    """
    if f1s.shape[-1] == 1:
        return f1s[..., 0]
    tp, fn, fp, _ = counts
    if average == "macro":
        return np.asarray(f1s.mean(axis=-1))
    if average == "binary":
        raise ValueError("a binary F1 is of one finding")
    weights = tp + fn if average == "weighted" else 2 * tp + fn + fp
    return np.asarray((f1s * weights).sum(axis=-1) / np.maximum(weights.sum(axis=-1), _LEAST))
