"""What trials are compared by, under any number of weightings of the images at once.

F1 has a threshold, so `thresholds.py` computes it. The other objectives judge the scores without
one: they follow scikit-learn's `roc_auc_score`, `average_precision_score` and `log_loss`. A
bootstrapped selection asks for 1,000 weightings of each trial, too many to ask scikit-learn.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Objective = Literal["f1", "average_precision", "auc", "log_loss"]

RankedBy = Literal["average_precision", "auc", "log_loss"]
"""Objectives that need no threshold."""

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0
_MOST_CELLS = 1_000_000  # images times weightings at a time, to bound the memory


def rank_objectives(
    objective: RankedBy,
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Value of scores under each weighting of the images; larger is better.

    The log loss is given negative. An AUC or average precision without one of the classes is 0.

    Args:
        objective: What to compute.
        labels: (num_images,), 1 positive, 0 negative.
        scores: (num_images,), probability of the positive class.
        weights: (num_weightings, num_images), how often each image counts, 0 or more.

    Returns:
        (num_weightings,).
    """
    if objective == "log_loss":
        least = np.finfo(np.float32).eps
        of_label = np.where(labels == 1, scores, 1 - scores).clip(least, 1 - least)
        return np.asarray(weights @ np.log(of_label, dtype=np.float64) / weights.sum(axis=1))
    compute = _auc if objective == "auc" else _average_precision
    num_parts = math.ceil(weights.size / _MOST_CELLS)
    parts = [_by_score(labels, scores, part) for part in np.array_split(weights, num_parts)]
    return np.concatenate([compute(positive, negative) for positive, negative in parts])


def _by_score(
    labels: NDArray[np.int64], scores: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of the positive and of the negative images at each different score, highest first.

    Returns:
        Two of (num_scores, num_weightings).
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    by_image = weights.T[order].astype(np.float64)
    positive = labels[order, None] == 1
    return (
        np.add.reduceat(by_image * positive, starts, axis=0),
        np.add.reduceat(by_image * ~positive, starts, axis=0),
    )


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the pairs of a positive and a negative image in which the positive scores higher."""
    above = positive.cumsum(axis=0) - positive / 2  # images of one score are half right
    pairs = positive.sum(axis=0) * negative.sum(axis=0)
    return np.asarray((negative * above).sum(axis=0) / np.maximum(pairs, _LEAST))


def _average_precision(
    positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over the positive images of the precision at the score of each."""
    found = positive.cumsum(axis=0)
    precision = found / np.maximum(found + negative.cumsum(axis=0), _LEAST)
    return np.asarray((positive * precision).sum(axis=0) / np.maximum(found[-1], _LEAST))
