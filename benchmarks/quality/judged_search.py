"""A search whose outcome can be judged, because the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.scored import Scored


class TrueLabels(Protocol):
    """What the configurations that a search tried are really worth."""

    def f1(self, members: Sequence[int], threshold: float) -> float:
        """True F1 of some configurations' mean score at a threshold."""

    def best_f1(self) -> float:
        """True F1 of the best configuration at its best threshold."""

    def new_scores(
        self, members: Sequence[int], seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Labels and mean scores (num_images, 1) of some configurations on new images."""


@dataclass(frozen=True)
class JudgedSearch:
    """What a search leaves behind, with the truth.

    Attributes:
        scored: Out-of-fold scores (num_trials, num_images, 1), the mean over all repeats of the
            folds.
        folds: (num_images,), the fold that each image was scored in at first.
        first_scores: (num_trials, num_images), scores of the first repeat alone, as other tools
            have them.
        truth: True scores of the same trials.
    """

    scored: Scored
    folds: NDArray[np.int64]
    first_scores: NDArray[np.float32]
    truth: TrueLabels
