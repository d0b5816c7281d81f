"""What a set of scores is worth. The objective of a search is stated here and nowhere else.

The objective is the F1 over out-of-fold scores after the last epoch, a score of at least the
threshold counting as positive.
"""

from typing import Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

F1Average = Literal["binary", "macro", "micro", "weighted"]
F1_AVERAGES: tuple[F1Average, ...] = get_args(F1Average)
THRESHOLD = 0.5


class Evaluation(TypedDict):
    """Counts and metrics of one set of scores.

    `f1` is of the average that was asked for; precision, recall and specificity are of the positive
    and the negative class. A ratio without any case is 0, as in scikit-learn. `auc` and
    `average_precision` need both classes and are None without.
    """

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


def f1(labels: NDArray[np.int64], positives: NDArray[np.bool_], average: F1Average) -> float:
    """F1 of predictions, 0 where it is undefined.

    Args:
        labels: shape (num_images,), 1 positive, 0 negative.
        positives: shape (num_images,), whether predicted positive.
        average: "binary" for the positive class, 2 TP / (2 TP + FP + FN), or over both classes.

    >>> f1(np.array([1, 1, 0, 0]), np.array([True, False, True, False]), "binary")
    0.5
    """
    return float(sk.f1_score(labels, positives, average=average, zero_division=0.0))


def evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    average: F1Average,
) -> Evaluation:
    """Judge scores (probabilities of the positive class, shape (num_images,)) at a threshold."""
    positives = scores >= threshold
    tn, fp, fn, tp = sk.confusion_matrix(labels, positives, labels=[0, 1]).ravel().tolist()
    both = len(np.unique(labels)) == 2
    return Evaluation(
        f1=f1(labels, positives, average),
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
    """What calling every image positive scores: the least that a search must beat."""
    return f1(labels, np.ones(len(labels), np.bool_), average)
