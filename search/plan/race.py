"""Whether a search runs its passes in a race, and on which patients first."""

import numpy as np
from numpy.typing import NDArray

from search.options.options import SearchOptions
from search.space.protocol import SearchSpace
from trainable.cohort.cohort import Cohort
from trainable.cohort.nested import nested_parts
from trainable.cohort.splits import Fold
from trainable.features.passes import PERCENTS

LEAST_ENCODERS = 5
"""With fewer encoders there is little to leave out."""

LEAST_PATIENTS = 12
"""Positive and negative patients of each finding in the smallest part; fewer tell too little."""


def race_parts(
    options: SearchOptions, space: SearchSpace, cohort: Cohort, folds: tuple[Fold, ...]
) -> tuple[NDArray[np.int64], ...]:
    """Examinations of each part of the race, the smallest first; none where there is no race.

    Args:
        options: All options.
        space: What is searched here.
        cohort: Labelled images.
        folds: Those of a trial.
    """
    encoders = {one.encoder for one in space.passes if one.pooled}
    if options.run.race == "no" or not space.stops_early or len(encoders) < LEAST_ENCODERS:
        return ()
    parts = nested_parts(cohort, [percent / 100 for percent in PERCENTS], options.advanced.seed)
    return parts if _tells_enough(cohort, parts[0], folds) else ()


def _tells_enough(cohort: Cohort, part: NDArray[np.int64], folds: tuple[Fold, ...]) -> bool:
    """Whether a part has enough patients, and something to learn in each fold."""
    fewest = min(
        len(np.unique(cohort.patients[part][cohort.labels[part, number] == label]))
        for number in range(cohort.labels.shape[1])
        for label in (0, 1)
    )
    trains = [cohort.labels[np.intersect1d(part, fold.train)] for fold in folds]
    has_both = all((labels == label).any(axis=0).all() for labels in trains for label in (0, 1))
    return fewest >= LEAST_PATIENTS and has_both
