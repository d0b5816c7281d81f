"""Metrics of scores, under any number of weightings of the images at once.

A bootstrap and a selection ask for the same metric under 1,000 weightings; scikit-learn would sort
the scores anew for each.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from trainable.evaluation.counts import (
    Thresholds,
    decide,
    f1_of_each,
    f1_over_findings,
    weighted_counts,
)
from trainable.evaluation.ranking import Ranking, rank
from trainable.evaluation.scoring import RankedBy, Scoring

_MOST_CELLS = 1_000_000  # images times weightings at a time, to bound the memory


@dataclass(frozen=True)
class Weighted:
    """Labels and scores of the same images, under some weightings of the images.

    Attributes:
        labels: int64 (num_images, num_findings), 1 positive, 0 negative, -1 unknown: left out.
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
    def known(self) -> NDArray[np.float32]:
        """Weight (num_weightings, num_findings) of the images whose label is known, 1 or more."""
        return np.maximum(self.weights @ (self.labels >= 0).astype(np.float32), 1)

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


def log_likelihood_of_each(
    labels: NDArray[np.int64], scores: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Logarithm (num_images, num_findings) of the score of each label; 0 where it is not known."""
    least = np.finfo(np.float32).eps
    of_label = np.where(labels == 1, scores, 1 - scores).clip(least, 1 - least)
    return np.where(labels >= 0, np.log(of_label, dtype=np.float64), 0)


def log_likelihood(given: Weighted) -> NDArray[np.float64]:
    """Negative log loss, so that larger is better."""
    logs = log_likelihood_of_each(given.labels, given.scores)
    # not `weights @ ...`, which copies all weights to float64 for each score
    return np.asarray(np.einsum("wi,if->wf", given.weights, logs) / given.known)


def brier_score(given: Weighted) -> NDArray[np.float64]:
    """Mean squared distance of the scores from the labels."""
    squares = np.where(given.labels >= 0, (given.scores - given.labels) ** 2, 0)
    return np.asarray(given.weights @ squares / given.known)


def f1_at(thresholds: Thresholds, scoring: Scoring) -> Metric:
    """F1 over the findings (num_weightings, 1) of the predictions at a threshold per finding."""
    average = scoring.f1_average
    return _by_counts(
        thresholds, scoring, lambda counts: f1_over_findings(counts, average)[:, None]
    )


def f1_of_each_at(thresholds: Thresholds, scoring: Scoring) -> Metric:
    """F1 of each finding at its threshold."""
    return _by_counts(thresholds, scoring, lambda counts: f1_of_each(counts, scoring.f1_average))


def metrics_at(
    thresholds: Thresholds, scoring: Scoring, operating_point: float
) -> dict[str, Metric]:
    """The metrics of each finding that a report shows, by their names there.

    Args:
        thresholds: (num_findings,), see `decide`.
        scoring: How scores are judged.
        operating_point: Specificity at which the sensitivity is reported, and the other way round.
    """

    def at(of_counts: _OfCounts) -> Metric:
        return _by_counts(thresholds, scoring, of_counts)

    return {
        "F1": f1_of_each_at(thresholds, scoring),
        "sensitivity": at(lambda counts: _share(counts[0], counts[1])),
        "specificity": at(lambda counts: _share(counts[3], counts[2])),
        "AUC": auc,
        "average precision": average_precision,
        "Brier score": brier_score,
        f"sensitivity at specificity {operating_point:g}": sensitivity_at(operating_point),
        f"specificity at sensitivity {operating_point:g}": specificity_at(operating_point),
    }


def rates_at(thresholds: Thresholds, scoring: Scoring) -> dict[str, Metric]:
    """What depends on the prevalence beside the F1, and what says whether scores fit it.

    The predictive values of each finding at its threshold, the share of positives, and the mean
    score. 0 where there is no such prediction.
    """

    def share(right: int, wrong: int) -> Metric:
        return _by_counts(thresholds, scoring, lambda counts: _share_or_0(counts, right, wrong))

    def mean_score(given: Weighted) -> NDArray[np.float64]:
        known = np.where(given.labels >= 0, given.scores, 0)
        return np.asarray(given.weights @ known / given.known)

    def prevalence(given: Weighted) -> NDArray[np.float64]:
        return np.asarray(given.weights @ (given.labels == 1).astype(np.float32) / given.known)

    return {
        "PPV": share(0, 2),
        "NPV": share(3, 1),
        "prevalence": prevalence,
        "mean score": mean_score,
    }


def _share_or_0(counts: NDArray[np.float64], right: int, wrong: int) -> NDArray[np.float64]:
    return np.asarray(counts[right] / np.maximum(counts[right] + counts[wrong], 1))


_OfCounts = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _by_counts(thresholds: Thresholds, scoring: Scoring, of_counts: _OfCounts) -> Metric:
    """A metric of TP, FN, FP and TN, (4, num_weightings, num_findings)."""

    def metric(given: Weighted) -> NDArray[np.float64]:
        positives = decide(given.scores, thresholds, exclusive=scoring.exclusive)
        return of_counts(weighted_counts(given.labels, positives, given.weights))

    return metric


def _share(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(right / (right + wrong))


RANKED: Mapping[RankedBy, Metric] = {
    "auc": auc,
    "average_precision": average_precision,
    "log_loss": log_likelihood,
}
"""Objectives that need no threshold; larger is better."""


class Evaluation(TypedDict):
    """Counts and metrics of the scores of one finding, on the images whose label is known.

    `f1` is of the average that was asked for, and of several findings of the positive class;
    precision, recall and specificity are of the positive and the negative class. A ratio without
    any case is 0, as in scikit-learn. `auc` and `average_precision` need both classes and are None
    without.
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


def evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    thresholds: Thresholds,
    scoring: Scoring,
) -> tuple[Evaluation, ...]:
    """Judge scores (num_images, num_findings) at a threshold per finding, each by itself."""
    positives = decide(scores, thresholds, exclusive=scoring.exclusive)
    once = Weighted.once(labels, scores).weights
    counts = weighted_counts(labels, positives, once)[:, 0]
    f1s = f1_of_each(counts, scoring.f1_average)
    columns = zip(labels.T, scores.T, thresholds, f1s, counts.T.astype(int).tolist(), strict=True)
    return tuple(_evaluate(*column) for column in columns)


def _evaluate(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: np.float32,
    f1: np.float64,
    counts: list[int],
) -> Evaluation:
    # scikit-learn takes a second to import: `cxr-search --help` does not wait for it
    from sklearn import metrics as sk

    tp, fn, fp, tn = counts
    known = labels >= 0
    labels, scores = labels[known], scores[known]
    both = len(np.unique(labels)) == 2
    return Evaluation(
        threshold=float(threshold),
        f1=float(f1),
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


def counts_of(evaluations: Sequence[Evaluation]) -> NDArray[np.int64]:
    """TP, FN, FP and TN (4, num_findings) of the findings' records."""
    return np.array([[one["tp"], one["fn"], one["fp"], one["tn"]] for one in evaluations]).T


def all_positive_f1(labels: NDArray[np.int64], scoring: Scoring) -> float:
    """F1 over the findings of calling every image positive: a model must have more.

    Of several classes the best of calling every image of one class.
    """
    count = labels.shape[1]
    called = np.eye(count, dtype=bool) if scoring.exclusive else np.ones((1, count), bool)
    once = Weighted.once(labels, labels.astype(np.float32)).weights
    counts = [weighted_counts(labels, np.broadcast_to(one, labels.shape), once) for one in called]
    return float(max(f1_over_findings(one, scoring.f1_average)[0] for one in counts))
