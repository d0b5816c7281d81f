"""Metrics of scores without one threshold, under any number of weightings of the images at once.

They follow scikit-learn's `roc_auc_score`, `average_precision_score` and `roc_curve`. A bootstrap
asks for 1,000 weightings of the same scores: these are sorted once here, in scikit-learn each time.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_LEAST = np.finfo(np.float64).tiny  # keeps 0 / 0 at 0
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Ranking:
    """The weight of the images at each different score of one finding, the highest first.

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

    def sensitivity_at(self, specificity: float) -> NDArray[np.float64]:
        """Best sensitivity at specificity at least `specificity`."""
        found, false = self._shares()
        last = (false <= 1 - specificity + _ROUNDING).sum(axis=0) - 1
        return np.asarray(found[last, np.arange(found.shape[1])])

    def specificity_at(self, sensitivity: float) -> NDArray[np.float64]:
        """Best specificity at a sensitivity of at least `sensitivity`."""
        found, false = self._shares()
        first = (found < sensitivity - _ROUNDING).sum(axis=0)
        return np.asarray(1 - false[first, np.arange(false.shape[1])])

    def _shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares of both classes that have at least each score, from the threshold above all."""
        found, false = (
            np.pad(one / np.maximum(one[-1], _LEAST), ((1, 0), (0, 0)))
            for one in (self._found, self._false)
        )
        return found, false


def rank(
    labels: NDArray[np.int64], scores: NDArray[np.float32], weights: NDArray[np.float32]
) -> Ranking:
    """Rank the images of one finding under all weightings.

    Args:
        labels: (num_images,), 1 positive, 0 negative, -1 unknown: left out.
        scores: (num_images,).
        weights: (num_weightings, num_images), how often each image counts, 0 or more.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    ranked = labels[order, None]
    by_image = weights.T[order].astype(np.float64)
    return Ranking(
        np.add.reduceat(by_image * (ranked == 1), starts, axis=0),
        np.add.reduceat(by_image * (ranked == 0), starts, axis=0),
    )
