"""The rows of a trial: the cohort's, and after them augmented ones, which are only trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.folds import Fold


@dataclass(frozen=True)
class TrialRows:
    """What a trial trains on; the rows of the cohort come first, in its order.

    Attributes:
        labels: int64 (num_rows,), 1 positive, 0 negative.
        origins: int64 (num_rows,), the cohort's row that each is, or is an augmented view of.
        positives: int64 (num_positives,), the images that are augmented.
    """

    labels: NDArray[np.int64]
    origins: NDArray[np.int64]
    positives: NDArray[np.int64]

    def fold(self, fold: Fold) -> Fold:
        """A fold of the cohort, to be trained also on the augmented views of what it trains on."""
        return Fold(np.flatnonzero(np.isin(self.origins, fold.train)), fold.valid)


def trial_rows(labels: NDArray[np.int64], positive_views: int) -> TrialRows:
    """The rows of a cohort with these labels, then each augmented view of all its positive ones.

    Args:
        labels: int64 (num_images,), 1 positive, 0 negative.
        positive_views: of each positive row, with the row itself.
    """
    positives = np.flatnonzero(labels == 1)
    origins = np.concatenate([np.arange(len(labels)), np.tile(positives, positive_views - 1)])
    return TrialRows(labels[origins], origins, positives)
