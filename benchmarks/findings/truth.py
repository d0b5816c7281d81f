"""The true F1 of calls, and the mean of differences to it with its interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def f1_of_each(calls: NDArray[np.bool_], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 (num_findings,) of calls (num_images, num_findings), by labels or by true risks."""
    return np.asarray(2 * (calls * truth).sum(axis=0) / (calls + truth).sum(axis=0))


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean and Student's 95 % CI."""
    mean = float(np.mean(differences))
    low, high = stats.t.interval(0.95, len(differences) - 1, mean, stats.sem(differences))
    return mean, float(low), float(high)
