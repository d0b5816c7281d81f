"""Parts of a cohort, for what is tried on fewer patients."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import seen_rows
from trainable.cohort.stratified import draw_parts


def nested_parts(
    cohort: Cohort, shares: Sequence[float], seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Examinations of each part, ascending; stratified by all findings, whole patients, no test.

    Args:
        cohort: The cohort.
        shares: Shares of the examinations, ascending, each less than 1.
        seed: Seed of the draw.
    """
    rows = seen_rows(cohort)
    patients = np.unique(cohort.patients[rows], return_inverse=True)[1]
    steps = np.diff([0.0, *shares, 1.0])
    parts = draw_parts(cohort.labels[rows], patients, steps, seed)
    return tuple(rows[parts <= number] for number in range(len(shares)))


def equal_parts(cohort: Cohort, num_parts: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Examinations of each of some parts of one size, ascending; drawn as `nested_parts` draws."""
    rows = seen_rows(cohort)
    patients = np.unique(cohort.patients[rows], return_inverse=True)[1]
    parts = draw_parts(cohort.labels[rows], patients, np.full(num_parts, 1 / num_parts), seed)
    return tuple(rows[parts == number] for number in range(num_parts))


def kept_apart(cohort: Cohort, exams: NDArray[np.int64]) -> Cohort:
    """The cohort, all of whose other examinations are kept apart as if for a test.

    So rows keep their numbers, and folds of the part are drawn as those of a whole cohort are.

    Args:
        cohort: The cohort.
        exams: Numbers of the examinations of the part.
    """
    numbers = cohort.exam_images[exams]
    split = np.full(len(cohort.manifest), "test", object)
    split[numbers[numbers >= 0]] = ""
    return dataclasses.replace(cohort, manifest=cohort.manifest.assign(split=split))
