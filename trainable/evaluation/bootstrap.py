"""The bootstrap by patient: a patient's images are alike, so patients are drawn, not images."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

NUM_RESAMPLES = 1000
LEVEL = 0.95
"""Confidence level of every interval."""

_MOST_CELLS = 2_000_000  # patients times resamples drawn at a time, to bound the memory


def resample_patients(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    num_resamples: int,
    seed: int,
    *,
    stratified: bool,
) -> NDArray[np.float32]:
    """Draw patients with replacement, as many as there are.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        patients: (num_images,), images of one patient share a number.
        num_resamples: how many.
        seed: Seed of the draws.
        stratified: whether every resample holds as many positive patients (those with any positive
            image) as the cohort. So choices are compared that are made on the same share of
            positives. For an interval it must vary: F1 and precision depend on it, the cohort's own
            is a sample's, and new patients have another one.

    Returns:
        Whole numbers (num_resamples, num_images): how often each image was drawn; never only one
        class where there are two. It is the transpose of a contiguous array.
    """
    rng = np.random.default_rng(seed)
    _, who = np.unique(patients, return_inverse=True)
    everyone = np.arange(who.max() + 1)
    of_class = [np.isin(everyone, who[labels == label])[:, None] for label in np.unique(labels)]
    positive = np.unique(who[labels == 1])
    both = [positive, np.setdiff1d(everyone, positive)]
    strata = [some for some in both if len(some)] if stratified else [everyone]
    drawn = np.empty((len(everyone), num_resamples), np.float32)
    lacking = np.arange(num_resamples)
    while len(lacking):
        for stratum in strata:
            even = np.full(len(stratum), 1 / len(stratum))
            for some in np.array_split(lacking, math.ceil(drawn.size / _MOST_CELLS)):
                counts = rng.multinomial(len(stratum), even, len(some))
                drawn[np.ix_(stratum, some)] = counts.T
        has_classes = np.all([drawn.any(axis=0, where=those) for those in of_class], axis=0)
        lacking = np.flatnonzero(~has_classes)
    return drawn[who].T


def interval_tail(labels: NDArray[np.int64], patients: NDArray[np.int64]) -> float:
    """Share of the resampled values to leave out on each side of a 95 % interval.

    The percentiles of few cases are too narrow; they are widened as by Student's t (Hesterberg
    2015, "What teachers should know about the bootstrap", the expanded percentile interval), for
    the class with fewer patients, on which F1, sensitivity and AUC hang most.

    >>> round(interval_tail(np.repeat([0, 1], [900, 10]), np.arange(910)), 4)
    0.0086
    """
    fewest = min(len(np.unique(patients[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        return 0.0
    quantile = stats.t.ppf((1 - LEVEL) / 2, fewest - 1) * np.sqrt(fewest / (fewest - 1))
    return float(stats.norm.cdf(quantile))


def percentile_interval(values: NDArray[np.float64], tail: float) -> tuple[float, float]:
    """Range between the share `tail` of the resampled values and the share 1 - `tail`."""
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
