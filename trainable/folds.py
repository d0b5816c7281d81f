"""Splits for cross-validation: stratified by label, each patient on one side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from trainable.cohort import Cohort
from trainable.problems import InputProblemsError, listing


@dataclass(frozen=True)
class Fold:
    """Row numbers of the cohort, ascending: those trained on and those scored."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]


def make_folds(cohort: Cohort, num_folds: int, seed: int, num_repeats: int = 1) -> tuple[Fold, ...]:
    """Split the cohort for out-of-fold scores, one repeat after the other.

    Where the user's own split is kept there is one fold, trained and scored on its two sides.
    Otherwise every image is scored once a repeat, in the fold that leaves its patient out.

    Raises:
        InputProblemsError: if some fold would be trained or scored on one class only.
    """
    labels = cohort.labels
    if cohort.is_split:
        valid = (cohort.exams["split"] == "valid").to_numpy(np.bool_)
        folds = [Fold(np.flatnonzero(~valid), np.flatnonzero(valid))]
    else:
        folds = [
            Fold(np.sort(train), np.sort(valid))
            for repeat in range(num_repeats)
            for train, valid in StratifiedGroupKFold(
                num_folds, shuffle=True, random_state=_repeat_seed(seed, repeat)
            ).split(np.zeros(len(labels)), labels, cohort.patients)
        ]
    one_class = [
        number
        for number, fold in enumerate(folds)
        if len(np.unique(labels[fold.train])) < 2 or len(np.unique(labels[fold.valid])) < 2
    ]
    if one_class:
        raise InputProblemsError(
            [
                f"every fold must hold both classes; of {len(folds)} folds (seed {seed}) these do "
                f"not: {listing(one_class)}. Ask for fewer with --folds or try another --seed"
            ]
        )
    return tuple(folds)


def _repeat_seed(seed: int, repeat: int) -> int:
    """The first repeat is drawn by the seed itself."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0]) if repeat else seed
