"""Metrics of scores with 95 % CIs: the bootstrap by patient.

A patient's images are alike, so patients are drawn, not images.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainable.cohort.scored import Scored
from trainable.evaluation.metrics import Metric, Weighted

NUM_RESAMPLES = 1000
LEVEL = 0.95
"""Confidence level of every interval."""

POWER = 0.8
"""Share of cohorts that would show a difference of the size that is called the smallest one."""

_MOST_CELLS = 2_000_000  # patients times resamples drawn at a time, to bound the memory

EQUAL_ENDS = (
    "an interval with equal ends is uninformative: every resample of these images gave one value"
)


@dataclass(frozen=True)
class Estimate:
    """A metric of a set of images, and the interval in which that of their population lies."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three decimals, the interval behind the value."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def short(self) -> str:
        """The same, short enough for several in a line of 80."""
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def notes_on(estimates: Iterable[Estimate]) -> Iterator[str]:
    """What a reader of these intervals must know, a line each."""
    if any(estimate.low == estimate.high for estimate in estimates):
        yield EQUAL_ENDS


def estimate(
    scored: Scored,
    metrics: Mapping[str, Metric],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Metrics with their 95 % CIs, all from one drawing of patients.

    Args:
        scored: Examinations; both classes of each finding occur.
        metrics: Metrics by their names. Of several findings, the mean is estimated.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.
    """
    drawn = _measure(scored, metrics, num_resamples, seed)
    tail = interval_tail(scored.labels, scored.patients)
    return {name: _estimate(values.mean(axis=1), tail) for name, values in drawn.items()}


def estimate_each(
    scored: Scored,
    metrics: Mapping[str, Metric],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> tuple[dict[str, Estimate], ...]:
    """As `estimate`, for each finding by itself; the findings share the resamples."""
    drawn = _measure(scored, metrics, num_resamples, seed)
    columns = scored.labels.T[..., None]
    tails = [interval_tail(column, scored.patients) for column in columns]
    return tuple(
        {name: _estimate(values[:, number], tail) for name, values in drawn.items()}
        for number, tail in enumerate(tails)
    )


def _measure(
    scored: Scored, metrics: Mapping[str, Metric], num_resamples: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Each metric (1 + num_resamples, num_findings), first of all examinations."""
    labels, scores = scored.labels, scored.scores
    resamples = resample_patients(labels, scored.patients, num_resamples, seed, stratified=False)
    values = Weighted.once(labels, scores).measure(metrics)
    drawn = Weighted(labels, scores, resamples).measure(metrics)
    return {name: np.concatenate([values[name], drawn[name]]) for name in metrics}


def _estimate(values: NDArray[np.float64], tail: float) -> Estimate:
    """The value of all examinations, which is the first, with the range of the others."""
    return Estimate(float(values[0]), *percentile_interval(values[1:], tail))


def resample_patients(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    num_resamples: int,
    seed: int,
    *,
    stratified: bool,
    with_all: bool = False,
) -> NDArray[np.float32]:
    """Draw patients with replacement, as many as there are.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative, -1 unknown.
        patients: (num_images,), images of one patient share a number.
        num_resamples: How many.
        seed: Seed of the draws.
        stratified: Whether every resample holds as many positive patients as the cohort; of several
            findings a patient is counted for the rarest that is positive. So choices are compared
            that are made on the same share of positives. For an interval it must vary: F1 and
            precision depend on it, the cohort's own is a sample's, and new patients have another
            one.
        with_all: Whether a first row stands before the resamples in which each image counts once.

    Returns:
        Whole numbers (num_resamples, num_images): how often each image was drawn; never only one
        class of a finding where there are two. It is the transpose of a contiguous array.
    """
    rng = np.random.default_rng(seed)
    _, who = np.unique(patients, return_inverse=True)
    everyone = np.arange(who.max() + 1)
    of_class = [those[:, None] for those in _patients_of_classes(labels, who)]
    strata = _strata(labels, who) if stratified else [everyone]
    # a byte is enough: nobody is drawn 256 times where each is drawn once on average
    drawn = np.empty((len(everyone), num_resamples), np.uint8)
    lacking = np.arange(num_resamples)
    while len(lacking):
        for stratum in strata:
            even = np.full(len(stratum), 1 / len(stratum))
            for some in np.array_split(lacking, math.ceil(drawn.size / _MOST_CELLS)):
                counts = rng.multinomial(len(stratum), even, len(some))
                drawn[np.ix_(stratum, some)] = counts.T
        has_classes = np.all([drawn.any(axis=0, where=those) for those in of_class], axis=0)
        lacking = np.flatnonzero(~has_classes)
    by_image = np.ones((len(who), with_all + num_resamples), np.float32)
    for rows in np.array_split(np.arange(len(who)), math.ceil(by_image.size / _MOST_CELLS)):
        by_image[rows, int(with_all) :] = drawn[who[rows]]
    return by_image.T


def _patients_of_classes(
    labels: NDArray[np.int64], who: NDArray[np.int64]
) -> Iterator[NDArray[np.bool_]]:
    """Which patients (num_patients,) have each class of each finding that occurs."""
    for label in (0, 1):
        for column in labels.T:
            those = np.bincount(who, column == label) > 0
            if those.any():
                yield those


def _strata(labels: NDArray[np.int64], who: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Patients by the rarest finding that is positive, and at last those without any."""
    positive = [np.bincount(who, column == 1) > 0 for column in labels.T]
    rarest_first = sorted(positive, key=np.count_nonzero)
    rest, found = np.ones(who.max() + 1, np.bool_), []
    for those in (*rarest_first, rest):
        found.append(np.flatnonzero(those & rest))
        rest &= ~those
    return [some for some in found if len(some)]


def interval_tail(labels: NDArray[np.int64], patients: NDArray[np.int64]) -> float:
    """Share of the resampled values to leave out on each side of a 95 % CI.

    The percentiles of few cases are too narrow; they are widened as by Student's t (Hesterberg
    2015, "What teachers should know about the bootstrap", the expanded percentile interval), for
    the class with the fewest patients of any finding, on which F1, sensitivity and AUC hang most.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative, -1 unknown.
        patients: (num_images,), images of one patient share a number.

    >>> round(interval_tail(np.repeat([0, 1], [900, 10])[:, None], np.arange(910)), 4)
    0.0086
    """
    fewest = fewest_patients(labels, patients)
    if fewest < 2:
        return 0.0
    quantile = stats.t.ppf((1 - LEVEL) / 2, fewest - 1) * np.sqrt(fewest / (fewest - 1))
    return float(stats.norm.cdf(quantile))


def fewest_patients(labels: NDArray[np.int64], patients: NDArray[np.int64]) -> int:
    """Number of patients of the rarest class, of any finding, that occurs."""
    _, who = np.unique(patients, return_inverse=True)
    return int(min(map(np.count_nonzero, _patients_of_classes(labels, who))))


def percentile_interval(values: NDArray[np.float64], tail: float) -> tuple[float, float]:
    """Range between the share `tail` of the resampled values and the share 1 - `tail`."""
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
