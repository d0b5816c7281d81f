"""Is a model equally good for all? The largest gap of a metric between the values of a column.

The largest of several gaps is never 0, whatever the model. So its interval holds for all pairs of
values together: the gaps of a bootstrap by patient, each divided by its standard error, and of them
the largest one (the studentized maximum of Hothorn, Bretz and Westfall 2008, "Simultaneous
inference in general parametric models").
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import (
    LEVEL,
    NUM_RESAMPLES,
    POWER,
    Estimate,
    interval_tail,
    resample_patients,
)
from trainable.evaluation.metrics import Metric, Weighted

FEWEST = 5
"""Patients of each class that a value needs: with fewer, a resample often has none of them."""


@dataclass(frozen=True)
class Gap:
    """The largest gap of a metric between two values of a column.

    Attributes:
        column: Name of the column.
        metric: Name of the metric.
        low: Value of the column with the lower metric.
        high: Value with the higher one.
        gap: Metric of `high` less that of `low`, with an interval for all pairs together.
        smallest: Gap that such a cohort would show with a power of 80 %.
        num_values: Values that were compared.
        num_few: Values with too few patients of a class.
    """

    column: str
    metric: str
    low: str
    high: str
    gap: Estimate
    smallest: float
    num_values: int
    num_few: int

    @property
    def is_shown(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.gap.low > 0


def largest_gaps(
    scored: Scored,
    strata: Mapping[str, Mapping[str, NDArray[np.bool_]]],
    metrics: Mapping[str, Metric],
    seed: int = 0,
) -> list[list[Gap]]:
    """For each finding the largest gaps of each metric in each column with two values or more.

    Values with fewer than 5 patients of a class are left out.

    Args:
        scored: Examinations.
        strata: By column, the rows (num_exams,) that have each value.
        metrics: Metrics of each finding, by their names.
        seed: Seed of the resamples.
    """
    weights = resample_patients(
        scored.labels, scored.patients, NUM_RESAMPLES, seed, stratified=False, with_all=True
    )
    found: list[list[Gap]] = [[] for _ in scored.labels.T]
    for column, values in strata.items():
        parts = {
            value: _Part.of(scored.take(rows), metrics, weights[:, rows])
            for value, rows in values.items()
        }
        for finding, gaps in enumerate(found):
            gaps += _of_column(column, parts, finding)
    return found


@dataclass(frozen=True)
class _Part:
    """The examinations that have a value, under resamples; all examinations come first.

    Attributes:
        scored: The examinations.
        drawn: By metric, (1 + num_resamples, num_findings), NaN where a class is missing.
    """

    scored: Scored
    drawn: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(
        cls, scored: Scored, metrics: Mapping[str, Metric], weights: NDArray[np.float32]
    ) -> "_Part":
        labels = scored.labels
        both = np.logical_and(*(weights @ (labels == label) > 0 for label in (0, 1)))
        with np.errstate(invalid="ignore"):  # a share of nothing, which is not used
            found = Weighted(labels, scored.scores, weights).measure(metrics)
        return cls(scored, {name: np.where(both, one, np.nan) for name, one in found.items()})

    def is_enough(self, finding: int) -> bool:
        label, patients = self.scored.labels[:, finding], self.scored.patients
        return all(len(np.unique(patients[label == one])) >= FEWEST for one in (0, 1))

    def widening(self, finding: int) -> float:
        """By how much few patients widen every interval of the page."""
        tail = interval_tail(self.scored.labels[:, [finding]], self.scored.patients)
        return float(stats.norm.ppf(tail) / -_SURE)


_SURE = float(stats.norm.ppf((1 + LEVEL) / 2))


def _of_column(column: str, values: Mapping[str, _Part], finding: int) -> Iterator[Gap]:
    parts = {value: part for value, part in values.items() if part.is_enough(finding)}
    if len(parts) < 2:
        return
    names, wider = list(parts), [part.widening(finding) for part in parts.values()]
    pairs = list(itertools.combinations(range(len(parts)), 2))
    for metric in next(iter(parts.values())).drawn:
        found = np.stack([part.drawn[metric][:, finding] for part in parts.values()])
        found = found[:, ~np.isnan(found).any(axis=0)]
        drawn = np.stack([found[one] - found[other] for one, other in pairs])
        gaps, drawn = drawn[:, 0], drawn[:, 1:]
        errors = drawn.std(axis=1) * [max(wider[one], wider[other]) for one, other in pairs]
        errors = np.maximum(errors, np.finfo(np.float32).tiny)  # equal in every resample
        largest = (np.abs(drawn - gaps[:, None]) / errors[:, None]).max(axis=0)
        sure = max(float(np.quantile(largest, LEVEL)), _SURE)
        place = int(np.abs(gaps).argmax())
        size, error = abs(float(gaps[place])), float(errors[place])
        low, high = pairs[place] if gaps[place] < 0 else pairs[place][::-1]
        yield Gap(
            column, metric, names[low], names[high],
            Estimate(size, size - sure * error, size + sure * error),
            (sure + float(stats.norm.ppf(POWER))) * error,
            len(parts), len(values) - len(parts),
        )  # fmt: skip
