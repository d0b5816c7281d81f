"""Parts of a cohort, each within the next one, for what is first tried on fewer patients."""

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
