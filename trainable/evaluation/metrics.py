"""What a set of scores is worth: counts and metrics at a threshold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from trainable.evaluation.scoring import F1Average

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0


class Evaluation(TypedDict):
    """Counts and metrics of one set of scores.

    `f1` is of the average that was asked for; precision, recall and specificity are of the positive
    and the negative class. A ratio without any case is 0, as in scikit-learn. `auc` and
    `average_precision` need both classes and are None without.
    """

    threshold: float
    f1: float
    tp: int
    fn: int
    fp: int
    tn: int
    precision: float
    recall: float
    specificity: float
    auc: float | None
    average_precision: float | None


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


def weighted_counts(
    labels: NDArray[np.int64], positives: NDArray[np.bool_], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Confusion matrices under any number of weightings of the images.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        positives: whether predicted positive, (num_images,), or (num_weightings, num_images) where
            each weighting has its own predictions.
        weights: (num_weightings, num_images), how often each image counts.

    Returns:
        TP, FN, FP and TN, (4, num_weightings).
    """
    actual = labels == 1
    cells = (actual & positives, actual & ~positives, ~actual & positives, ~actual & ~positives)
    counts = [np.einsum("...i,...i->...", weights, cell, dtype=np.float64) for cell in cells]
    return np.stack(counts)


def evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    average: F1Average,
) -> Evaluation:
    """Judge scores (probabilities of the positive class, shape (num_images,)) at a threshold."""
    # scikit-learn takes a second to import: `cxr-search --help` does not wait for it
    from sklearn import metrics as sk

    matrix = sk.confusion_matrix(labels, scores >= threshold, labels=[0, 1])
    tn, fp, fn, tp = matrix.ravel().tolist()
    both = len(np.unique(labels)) == 2
    return Evaluation(
        threshold=float(threshold),
        f1=float(f1_of_counts(np.array([tp, fn, fp, tn]), average)),
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        precision=tp / max(tp + fp, 1),
        recall=tp / max(tp + fn, 1),
        specificity=tn / max(tn + fp, 1),
        auc=float(sk.roc_auc_score(labels, scores)) if both else None,
        average_precision=float(sk.average_precision_score(labels, scores)) if both else None,
    )


def all_positive_f1(labels: NDArray[np.int64], average: F1Average) -> float:
    """F1 of calling every image positive: a useful model has a higher F1."""
    num_positive = labels.sum()
    counts = np.array([num_positive, 0, len(labels) - num_positive, 0])
    return float(f1_of_counts(counts, average))
