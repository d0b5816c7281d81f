"""Metrics of scores without one threshold, under any number of weightings of the images at once.

They follow scikit-learn's `roc_auc_score`, `average_precision_score` and `roc_curve`. A bootstrap
asks for 1,000 weightings of the same scores: these are sorted once here, in scikit-learn each time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0
_MOST_CELLS = 1_000_000  # images times weightings at a time, to bound the memory
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Ranking:
    """The weight of the images at each different score, the highest score first.

    Attributes:
        positive: (num_scores, num_weightings), of the positive images.
        negative: (num_scores, num_weightings), of the negative images.
    """

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]

    @cached_property
    def _found(self) -> NDArray[np.float64]:
        """Weight of the positive images that have at least each score."""
        return self.positive.cumsum(axis=0)

    @cached_property
    def _false(self) -> NDArray[np.float64]:
        """Weight of the negative images that have at least each score."""
        return self.negative.cumsum(axis=0)

    def auc(self) -> NDArray[np.float64]:
        """Share of the pairs of a positive and a negative image in which the positive is higher.

        0 without one of the classes.
        """
        above = self._found - self.positive / 2  # equals are half right
        pairs = self._found[-1] * self._false[-1]
        return np.asarray((self.negative * above).sum(axis=0) / np.maximum(pairs, _LEAST))

    def average_precision(self) -> NDArray[np.float64]:
        """Mean over the positive images of the precision at the score of each; 0 without any."""
        found = self._found
        precision = found / np.maximum(found + self._false, _LEAST)
        return np.asarray((self.positive * precision).sum(axis=0) / np.maximum(found[-1], _LEAST))

    def operating_points(self, at: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Best sensitivity at a specificity of at least `at`, and the other way round."""
        found, false = (
            np.pad(one / np.maximum(one[-1], _LEAST), ((1, 0), (0, 0)))
            for one in (self._found, self._false)
        )
        columns = np.arange(found.shape[1])
        last = (false <= 1 - at + _ROUNDING).sum(axis=0) - 1
        first = (found < at - _ROUNDING).sum(axis=0)
        return found[last, columns], 1 - false[first, columns]


def rank(
    labels: NDArray[np.int64], scores: NDArray[np.float32], weights: NDArray[np.float32]
) -> Iterator[Ranking]:
    """Rank the images for some weightings at a time.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        scores: (num_images,).
        weights: (num_weightings, num_images), how often each image counts, 0 or more.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    is_positive = labels[order, None] == 1
    for part in np.array_split(weights, math.ceil(weights.size / _MOST_CELLS)):
        by_image = part.T[order].astype(np.float64)
        yield Ranking(
            np.add.reduceat(by_image * is_positive, starts, axis=0),
            np.add.reduceat(by_image * ~is_positive, starts, axis=0),
        )
