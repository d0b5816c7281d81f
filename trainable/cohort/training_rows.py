"""The rows of a trial: the cohort's, and after them augmented ones, which are only trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.splits import Fold


@dataclass(frozen=True)
class TrialRows:
    """The rows that a trial trains on. The rows of the cohort come first, in its order.

    Attributes:
        images: int64 (num_rows, views), numbers of images, -1 where a view is missing. Those of
            augmented views follow on those of the cohort, view by view.
        labels: int64 (num_rows, num_findings), 1 positive, 0 negative.
        origins: int64 (num_rows,), the cohort's row that each is, or is an augmented view of.
        positives: int64 (num_positives,), the images that are augmented, ascending.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    origins: NDArray[np.int64]
    positives: NDArray[np.int64]

    def fold(self, fold: Fold) -> Fold:
        """A fold of the cohort, to be trained also on the augmented views of what it trains on."""
        return Fold(np.flatnonzero(np.isin(self.origins, fold.train)), fold.valid)


def trial_rows(
    exam_images: NDArray[np.int64], labels: NDArray[np.int64], positive_copies: int
) -> TrialRows:
    """The rows of a cohort, then each augmented view of all that have a positive label.

    Args:
        exam_images: int64 (num_exams, views), numbers of images, -1 where a view is missing.
        labels: int64 (num_exams, num_findings), 1 positive, 0 negative.
        positive_copies: Copies per positive row, the row itself counted.
    """
    exams = np.flatnonzero((labels == 1).any(axis=1))
    images = exam_images[exams]
    positives = np.sort(images[images >= 0])
    first = exam_images.max() + 1
    parts = [exam_images]
    for view in range(positive_copies - 1):
        augmented = first + view * len(positives) + np.searchsorted(positives, images)
        parts.append(np.where(images >= 0, augmented, -1))
    origins = np.concatenate([np.arange(len(labels)), np.tile(exams, positive_copies - 1)])
    return TrialRows(np.concatenate(parts), labels[origins], origins, positives)
