"""Metrics of scores with 95 % intervals by patient."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.bootstrap import (
    NUM_RESAMPLES,
    interval_tail,
    percentile_interval,
    resample_patients,
)
from trainable.evaluation.metrics import f1_of_counts, weighted_counts
from trainable.evaluation.objective import rank_objectives
from trainable.evaluation.ranking import rank
from trainable.evaluation.scoring import F1Average

EQUAL_ENDS = (
    "where both ends of an interval are equal, it tells nothing: all resamples of these images "
    "give the same value, and new patients may differ"
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


def notes_on(estimates: Iterable[Estimate]) -> Iterator[str]:
    """What a reader of these intervals must know, a line each."""
    if any(estimate.low == estimate.high for estimate in estimates):
        yield f"  {EQUAL_ENDS}"


def f1_interval(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    positives: NDArray[np.bool_],
    average: F1Average,
    resamples: NDArray[np.float32],
) -> tuple[float, float]:
    """95 % interval of the F1 of predictions.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        patients: (num_images,), images of one patient share a number.
        positives: (num_images,), whether predicted positive.
        average: Kind of average of the F1.
        resamples: (num_resamples, num_images), how often each image was drawn, not stratified.
    """
    drawn = f1_of_counts(weighted_counts(labels, positives, resamples), average)
    return percentile_interval(drawn, interval_tail(labels, patients))


def estimate_aucs(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    scores: Mapping[str, NDArray[np.float32]],
    pairs: Iterable[tuple[str, str]] = (),
) -> tuple[dict[str, Estimate], dict[tuple[str, str], Estimate]]:
    """AUC of several scores of the same images, and paired differences, with 95 % intervals.

    Args:
        labels: (num_images,), 1 positive, 0 negative; both occur.
        patients: (num_images,), images of one patient share a number.
        scores: (num_images,) each, by their names.
        pairs: Names of two scores; the AUC of the second is taken from that of the first, in the
            same resamples.
    """
    resamples = resample_patients(labels, patients, NUM_RESAMPLES, seed=0, stratified=False)
    once = np.ones((1, len(labels)), np.float32)
    tail = interval_tail(labels, patients)
    drawn = {
        name: np.concatenate(
            [rank_objectives("auc", labels, one, weights) for weights in (once, resamples)]
        )
        for name, one in scores.items()
    }

    def estimate(values: NDArray[np.float64]) -> Estimate:
        return Estimate(float(values[0]), *percentile_interval(values[1:], tail))

    return (
        {name: estimate(values) for name, values in drawn.items()},
        {(one, other): estimate(drawn[one] - drawn[other]) for one, other in pairs},
    )


def estimate_metrics(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    average: F1Average,
    operating_point: float,
    num_resamples: int = NUM_RESAMPLES,
) -> dict[str, Estimate]:
    """Metrics with intervals from a bootstrap by patient.

    Args:
        labels: (num_images,), 1 positive, 0 negative; both occur.
        patients: (num_images,), images of one patient share a number.
        scores: (num_images,), probability of the positive class.
        threshold: a score of at least this counts as positive.
        average: Kind of average of the F1.
        operating_point: specificity at which the sensitivity is reported, and the other way round.
        num_resamples: Number of resamples of the bootstrap.
    """
    once = np.ones((1, len(labels)), np.float32)
    resamples = resample_patients(labels, patients, num_resamples, seed=0, stratified=False)
    values = weighted_metrics(labels, scores, threshold, average, operating_point, once)
    drawn = weighted_metrics(labels, scores, threshold, average, operating_point, resamples)
    tail = interval_tail(labels, patients)
    return {
        name: Estimate(float(values[name][0]), *percentile_interval(drawn[name], tail))
        for name in values
    }


def weighted_metrics(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    average: F1Average,
    operating_point: float,
    weights: NDArray[np.float32],
) -> dict[str, NDArray[np.float64]]:
    """Each metric under each weighting (num_weightings, num_images) of the images."""
    counts = weighted_counts(labels, scores >= threshold, weights)
    tp, fn, fp, tn = counts
    squares = (scores - labels) ** 2
    by_rank = np.concatenate(
        [
            np.stack(
                [part.auc(), part.average_precision(), *part.operating_points(operating_point)]
            )
            for part in rank(labels, scores, weights)
        ],
        axis=1,
    )
    return {
        "F1": f1_of_counts(counts, average),
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "AUC": by_rank[0],
        "average precision": by_rank[1],
        "Brier score": weights @ squares / weights.sum(axis=1),
        f"sensitivity at a specificity of {operating_point:g}": by_rank[2],
        f"specificity at a sensitivity of {operating_point:g}": by_rank[3],
    }
