"""Where a score begins to count as positive, by a stated policy, and the objective of the scores.

Each finding has its own, chosen on the images whose label is known; each of several classes is
chosen against all the others. If trials are compared by F1 and the threshold is the best one, the
objective is the mean of the F1s around that threshold.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.scored import is_scored
from trainable.evaluation.counts import (
    Thresholds,
    average_of_each,
    f1_of_counts,
    mean_over_findings,
    weighted_counts,
)
from trainable.evaluation.metrics import RANKED, Evaluation, Weighted, evaluate
from trainable.evaluation.scoring import F1Average, Scoring, ThresholdPolicy

_MOST_CANDIDATES = 256
_MOST_CELLS = 500_000  # steps times weightings at a time, to bound the memory
_ROUNDING = 1e-6  # 0.98 * 50 is 49, whatever floating point makes of it


@dataclass(frozen=True)
class ThresholdChoice:
    """One threshold per finding for each weighting of the images, and the objective of the scores.

    Attributes:
        thresholds: float32 (num_weightings, num_findings).
        objectives: float64 (num_weightings,), what trials are compared by, the average over the
            findings; larger is better. An F1 is averaged over thresholds around the chosen one if
            that is "best", else it is at it.
        of_each: float64 (num_weightings, num_findings), the same of each finding.
    """

    thresholds: NDArray[np.float32]
    objectives: NDArray[np.float64]
    of_each: NDArray[np.float64]


def choose_thresholds(given: Weighted, scoring: Scoring) -> ThresholdChoice:
    """Choose thresholds once for each weighting of the images, the highest among equals.

    A threshold is chosen by F1, whatever the objective. Images of weight 0 have no part in it. A
    finding without a positive image has an F1 of 0, and a threshold above all its scores.

    At a given number of true positives fewer false positives are never worse, for any of the four
    averages. So the best threshold is just above the next lower score of a positive image, or above
    all scores; beyond 256 positive images, 256 quantiles of their scores are tried. It lies midway
    to the next lower score of any image: new images find it neither too high nor too low.

    The single best of them owes its place to a few images. So F1 is first averaged over the third
    of the candidates around each one; in simulated searches that raised the true F1 of what was
    chosen, and brought the apparent one nearer to it (`benchmarks/selection/__main__.py`).

    Of several classes, each is judged against all the others, also in the objective. To choose the
    thresholds together, by coordinate ascent on the F1 of the decisions, was not worth it: in
    simulated searches of three classes the true F1 did not rise.
    """
    average = average_of_each(scoring.f1_average, given.labels.shape[1])
    columns = zip(given.labels.T, given.scores.T, given.known.T, strict=True)
    found = [_of_finding(*one, given.weights, scoring.threshold, average) for one in columns]
    thresholds = np.stack([one.thresholds for one in found], axis=1)
    if scoring.objective == "f1":
        f1s = np.stack([one.f1s for one in found], axis=1)
        counts = np.stack([one.counts for one in found], axis=2)
        objectives = mean_over_findings(f1s, counts, scoring.f1_average)
        return ThresholdChoice(thresholds, objectives, f1s)
    of_each = given.measure({"objective": RANKED[scoring.objective]})["objective"]
    return ThresholdChoice(thresholds, of_each.mean(axis=1), of_each)


class _Found(NamedTuple):
    """What is chosen for one finding under each weighting.

    Attributes:
        thresholds: float32 (num_weightings,).
        f1s: float64 (num_weightings,), around the threshold if that is "best", else at it.
        counts: (4, num_weightings), TP, FN, FP and TN at the threshold.
    """

    thresholds: NDArray[np.float32]
    f1s: NDArray[np.float64]
    counts: NDArray[np.floating]


def _of_finding(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    known: NDArray[np.float32],
    weights: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
) -> _Found:
    """The choice for labels and scores (num_images,), known (num_weightings,) of them."""
    if policy.kind == "fixed":
        fixed = np.float32(policy.value)
        counts = weighted_counts(labels[:, None], (scores >= fixed)[:, None], weights)[..., 0]
        return _Found(np.full(len(weights), fixed), f1_of_counts(counts, average), counts)
    if not (labels == 1).any():
        nothing = np.zeros(len(weights))
        counts = np.stack([nothing, nothing, nothing, known])
        return _Found(np.ones(len(weights), np.float32), nothing, counts)
    ranked = _Ranked.of(labels, scores)
    num_parts = math.ceil(len(ranked.steps) * len(weights) / _MOST_CELLS)
    parts = [
        _of_part(ranked, some.T, num_known, policy, average)
        for some, num_known in zip(
            np.array_split(weights, num_parts), np.array_split(known, num_parts), strict=True
        )
        if len(some)
    ]
    return _Found(*(np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)))


def _of_part(
    ranked: "_Ranked",
    by_image: NDArray[np.float32],
    known: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
) -> _Found:
    """The choice under some weightings (num_images, num_weightings)."""
    tp, predicted = ranked.counts(by_image)
    num_positive = tp[-1]
    num_negative = known - num_positive
    if policy.kind == "specificity":
        kept = num_negative - (predicted - tp) >= policy.value * num_negative * (1 - _ROUNDING)
        places = _last_drawn(tp, kept)[None]
    else:
        places = _levels(tp, min(_MOST_CANDIDATES, ranked.num_positive))
    # the first candidate calls nothing positive
    tp, predicted = (
        _after_nothing(np.take_along_axis(one, np.maximum(places, 0), 0)) for one in (tp, predicted)
    )
    fp = predicted - tp
    counts = np.stack([tp, num_positive - tp, fp, num_negative - fp])
    f1 = f1_of_counts(counts, average)
    # candidates fall from the highest: the first that reaches the most is the highest such
    if policy.kind == "sensitivity":
        best = (tp >= policy.value * num_positive * (1 - _ROUNDING)).argmax(axis=0)
    elif policy.kind == "specificity":
        best = (places[0] >= 0).astype(np.int64)
    else:
        num_around = len(f1) // 6
        # SciPy takes a second to import: `cxr-search --help` does not wait for it
        from scipy.ndimage import uniform_filter1d

        f1 = uniform_filter1d(f1, 2 * num_around + 1, axis=0, mode="nearest")
        best = f1.argmax(axis=0)
    every = np.arange(len(best))
    chosen = np.where(best > 0, places[np.maximum(best, 1) - 1, every], -1)
    return _Found(ranked.below(chosen, by_image), f1[best, every], counts[:, best, every])


def _after_nothing(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((1, counts.shape[1]), counts.dtype), counts])


@dataclass(frozen=True)
class _Ranked:
    """The images whose label of one finding is known, the highest score first.

    Attributes:
        order: (num_known,), numbers of the images.
        scores: (num_known,), their scores.
        steps: (num_steps,), the different scores of positive images.
        ends: (num_steps,), how many images have at least each.
        positives: (num_positive,), numbers of the positive images, the highest score first.
        starts: (num_steps,), the first positive image of each step.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float32]
    steps: NDArray[np.float32]
    ends: NDArray[np.int64]
    positives: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int64], scores: NDArray[np.float32]) -> "_Ranked":
        """Sort images by their scores; how equals are sorted has no meaning."""
        order = np.argsort(-scores)
        order = order[labels[order] >= 0]
        ranked = scores[order]
        positives = order[labels[order] == 1]
        starts = np.flatnonzero(np.diff(scores[positives], prepend=np.inf))
        steps = scores[positives[starts]]
        ends = np.searchsorted(-ranked, -steps, side="right")
        return cls(order, ranked, steps, ends, positives, starts)

    @property
    def num_positive(self) -> int:
        """Number of positive images."""
        return len(self.positives)

    def counts(self, by_image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Weight of the positive images, and of all, from each step up: (num_steps, weightings)."""
        positives = _sums(self.positives, np.append(self.starts[1:], self.num_positive), by_image)
        return positives, _sums(self.order, self.ends, by_image)

    def below(
        self, places: NDArray[np.int64], by_image: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Thresholds (num_weightings,) midway from a step to the next lower score that counts.

        Args:
            places: (num_weightings,), steps; -1 for a threshold above all scores.
            by_image: (num_images, num_weightings), weights; a score of weight 0 does not count.
        """
        every = np.arange(len(places))
        rows = np.where(places < 0, 0, self.ends[places])
        last = len(self.order) - 1
        skipped = rows <= last
        while skipped.any():
            skipped &= by_image[self.order[np.minimum(rows, last)], every] == 0
            rows[skipped] += 1
            skipped &= rows <= last
        lower = self.scores[np.minimum(rows, last)].astype(np.float64)
        upper = np.where(places < 0, np.maximum(lower, 1.0), self.steps[places])
        # no score is lower: midway to 0, the lowest that there can be
        lower = np.where(rows <= last, lower, upper - np.abs(upper))
        middle = ((lower + upper) / 2).astype(np.float32)
        # float32 may have no number between
        least = np.nextafter(lower.astype(np.float32), np.float32(np.inf))
        return np.where(rows <= last, np.maximum(middle, least), middle)


def _sums(
    rows: NDArray[np.int64], ends: NDArray[np.int64], by_image: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weight (num_ends, num_weightings) of the rows before each end.

    A sparse product adds up rows of the weights where they lie; to copy them took most of the time.
    """
    # SciPy takes a second to import: `cxr-search --help` does not wait for it
    from scipy.sparse import csr_array

    ones, bounds = np.ones(ends[-1], np.float32), np.append(0, ends)
    picked = csr_array((ones, rows[: ends[-1]], bounds), shape=(len(ends), len(by_image)))
    return np.asarray((picked @ by_image).cumsum(axis=0))


def _last_drawn(tp: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each weighting the last step that is kept and weighs something; -1 if there is none."""
    is_drawn = np.diff(tp, axis=0, prepend=np.float32(0)) > 0
    steps = np.arange(len(tp))[:, None]
    found: NDArray[np.int64] = np.where(kept & is_drawn, steps, -1).max(axis=0)
    return found


def _levels(tp: NDArray[np.float32], num_levels: int) -> NDArray[np.int64]:
    """For each weighting the steps at which equal shares of the positive weight are reached.

    Args:
        tp: (num_steps, num_weightings), whole numbers, rising.
        num_levels: How many shares.

    Returns:
        (num_levels, num_weightings).
    """
    num_steps, num_weightings = tp.shape
    totals = tp[-1].astype(np.int64)
    # each step as often as it weighs, one weighting after the other
    each = np.diff(tp, axis=0, prepend=np.float32(0)).T.astype(np.int64).ravel()
    step = np.repeat(np.tile(np.arange(num_steps), num_weightings), each)
    if not len(step):
        return np.zeros((num_levels, num_weightings), np.int64)
    level = np.arange(1, num_levels + 1)[:, None]
    at = -(-level * totals // num_levels) - 1
    found: NDArray[np.int64] = step[at + np.cumsum(totals) - totals]
    return found


def own_thresholds(
    labels: NDArray[np.int64], scores: NDArray[np.float32], scoring: Scoring
) -> Thresholds:
    """The threshold of each finding that scores choose, where every image counts once.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative, -1 unknown.
        scores: (num_images, num_findings); images without a score do not count.
        scoring: How scores are judged.
    """
    rows = is_scored(scores)
    thresholds: Thresholds
    [thresholds] = choose_thresholds(Weighted.once(labels[rows], scores[rows]), scoring).thresholds
    return thresholds


def judge(
    labels: NDArray[np.int64], scores: NDArray[np.float32], scoring: Scoring
) -> tuple[float, tuple[Evaluation, ...]]:
    """Objective of scores, and the metrics of each finding at the threshold that they choose.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative, -1 unknown.
        scores: (num_images, num_findings), probability of the positive class.
        scoring: How scores are judged.
    """
    chosen = choose_thresholds(Weighted.once(labels, scores), scoring)
    found = evaluate(labels, scores, chosen.thresholds[0], scoring)
    return float(chosen.objectives[0]), found
