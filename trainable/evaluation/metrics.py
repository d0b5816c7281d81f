"""Metrics of scores, under any number of weightings of the images at once.

A bootstrap and a selection ask for the same metric under 1,000 weightings; scikit-learn would sort
the scores anew for each.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from trainable.evaluation.ranking import Ranking, rank
from trainable.evaluation.scoring import F1Average, RankedBy

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0
_MOST_CELLS = 1_000_000  # images times weightings at a time, to bound the memory

Thresholds = NDArray[np.float32]
"""One threshold per finding, (num_findings,); a score of at least it counts as positive."""


@dataclass(frozen=True)
class Weighted:
    """Labels and scores of the same images, under some weightings of the images.

    Attributes:
        labels: int64 (num_images, num_findings), 1 positive, 0 negative.
        scores: float32 (num_images, num_findings), probability of the positive class.
        weights: float32 (num_weightings, num_images), how often each image counts, 0 or more. The
            transpose of a contiguous array is the fastest.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def once(cls, labels: NDArray[np.int64], scores: NDArray[np.float32]) -> "Weighted":
        """Every image counts once."""
        return cls(labels, scores, np.ones((1, len(labels)), np.float32))

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """The images of each finding in the order of their scores."""
        columns = zip(self.labels.T, self.scores.T, strict=True)
        return tuple(rank(*column, self.weights) for column in columns)

    def measure(self, metrics: Mapping[str, "Metric"]) -> dict[str, NDArray[np.float64]]:
        """Each metric (num_weightings, num_findings), by its name."""
        parts = [{name: of(part) for name, of in metrics.items()} for part in self._parts()]
        return {name: np.concatenate([part[name] for part in parts]) for name in metrics}

    def _parts(self) -> Iterator["Weighted"]:
        num_parts = math.ceil(self.weights.size * self.labels.shape[1] / _MOST_CELLS)
        for weights in np.array_split(self.weights, num_parts):
            yield replace(self, weights=weights)


Metric = Callable[[Weighted], NDArray[np.float64]]
"""Gives the value (num_weightings, num_findings) of scores for their labels."""


def of_scores(scores: NDArray[np.float32], metric: Metric) -> Metric:
    """A metric of other scores (num_images, num_findings) of the same images."""
    return lambda given: metric(replace(given, scores=scores))


def difference(one: Metric, other: Metric) -> Metric:
    """How much a metric is above another one, under the same weightings."""
    return lambda given: one(given) - other(given)


def _by_rank(of_finding: Callable[[Ranking], NDArray[np.float64]]) -> Metric:
    return lambda given: np.stack([of_finding(one) for one in given.rankings], axis=-1)


auc = _by_rank(Ranking.auc)
"""Area under the ROC curve; 0 without one of the classes."""

average_precision = _by_rank(Ranking.average_precision)
"""Average precision; 0 without a positive image."""


def sensitivity_at(specificity: float) -> Metric:
    """Best sensitivity at specificity at least `specificity`."""
    return _by_rank(lambda one: one.sensitivity_at(specificity))


def specificity_at(sensitivity: float) -> Metric:
    """Best specificity at a sensitivity of at least `sensitivity`."""
    return _by_rank(lambda one: one.specificity_at(sensitivity))


def log_likelihood(given: Weighted) -> NDArray[np.float64]:
    """Negative log loss, so that larger is better."""
    least = np.finfo(np.float32).eps
    scores = given.scores
    of_label = np.where(given.labels == 1, scores, 1 - scores).clip(least, 1 - least)
    # not `weights @ ...`, which copies all weights to float64 for each score
    sums = np.einsum("wi,if->wf", given.weights, np.log(of_label, dtype=np.float64))
    return np.asarray(sums / given.weights.sum(axis=1)[:, None])


def brier_score(given: Weighted) -> NDArray[np.float64]:
    """Mean squared distance of the scores from the labels."""
    squares = (given.scores - given.labels) ** 2
    return np.asarray(given.weights @ squares / given.weights.sum(axis=1)[:, None])


def f1_at(thresholds: Thresholds, average: F1Average) -> Metric:
    """F1 of the predictions at a threshold per finding."""
    return _by_counts(thresholds, lambda counts: f1_of_counts(counts, average))


def metrics_at(
    thresholds: Thresholds, average: F1Average, operating_point: float
) -> dict[str, Metric]:
    """The metrics that a report shows, by their names there.

    Args:
        thresholds: (num_findings,), a score of at least this counts as positive.
        average: Kind of average of the F1.
        operating_point: Specificity at which the sensitivity is reported, and the other way round.
    """
    return {
        "F1": f1_at(thresholds, average),
        "sensitivity": _by_counts(thresholds, lambda counts: _share(counts[0], counts[1])),
        "specificity": _by_counts(thresholds, lambda counts: _share(counts[3], counts[2])),
        "AUC": auc,
        "average precision": average_precision,
        "Brier score": brier_score,
        f"sensitivity at specificity {operating_point:g}": sensitivity_at(operating_point),
        f"specificity at sensitivity {operating_point:g}": specificity_at(operating_point),
    }


def _by_counts(
    thresholds: Thresholds, of_counts: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Metric:
    """A metric of TP, FN, FP and TN, (4, num_weightings, num_findings)."""
    return lambda given: of_counts(
        weighted_counts(given.labels, given.scores >= thresholds, given.weights)
    )


def _share(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(right / (right + wrong))


RANKED: Mapping[RankedBy, Metric] = {
    "auc": auc,
    "average_precision": average_precision,
    "log_loss": log_likelihood,
}
"""Objectives that need no threshold; larger is better."""


class Evaluation(TypedDict):
    """Counts and metrics of the scores of one finding.

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
        labels: (num_images, num_findings), 1 positive, 0 negative.
        positives: Whether predicted positive, (num_images, num_findings), or with an axis of
            weightings in front where each weighting has its own predictions.
        weights: (num_weightings, num_images), how often each image counts.

    Returns:
        TP, FN, FP and TN, (4, num_weightings, num_findings).
    """
    actual = labels == 1
    cells = (actual & positives, actual & ~positives, ~actual & positives, ~actual & ~positives)
    counts = [np.einsum("...i,...if->...f", weights, cell, dtype=np.float64) for cell in cells]
    return np.stack(counts)


def evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    thresholds: Thresholds,
    average: F1Average,
) -> tuple[Evaluation, ...]:
    """Judge scores (num_images, num_findings) at a threshold per finding, each by itself."""
    columns = zip(labels.T, scores.T, thresholds, strict=True)
    return tuple(_evaluate(*column, average) for column in columns)


def _evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: np.float32,
    average: F1Average,
) -> Evaluation:
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
    """F1 of calling every image positive, the mean over the findings: a model must have more."""
    num_positive = labels.sum(axis=0)
    nothing = np.zeros_like(num_positive)
    counts = np.stack([num_positive, nothing, len(labels) - num_positive, nothing])
    return float(f1_of_counts(counts, average).mean())
