"""The interval of a score, and how often the answer would be another one.

The question is what a search on other patients of the same hospitals would have said of this image:
as many patients, as many of them positive. Its answer is known of resamples of the patients (Riley
and Collins 2023, "Stability of clinical prediction models developed using statistical or machine
learning methods"): the team, its heads, the recalibration and the threshold are all made anew.

The models of resamples scatter around the model of all patients, as the models of other cohorts
scatter around their mean. But the model at hand is one of these itself, and lies as far from their
mean as any. So another model is away from it as two of them are from each other, which is about
1.4 times (the square root of 2) as far as one is from their mean. That is what the interval holds:
the distances between the models of two resamples, in log-odds, which have no ends at 0 and 1. It
lies around the score alike on both sides, since of two cohorts either may be the one at hand.

It is no interval of the patient's true risk: what all such models get wrong alike is not in it. Nor
is another hospital, or another device.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from trainable.evaluation.counts import decide
from trainable.evaluation.intervals import LEVEL
from trainable.evaluation.recalibration import bounded

FEWEST = 20
"""Resamples that the interval needs at least: 95 % of fewer mean little."""

MANY_FLIPS = 0.1
"""Share of other models from which an answer is one that many of them would not give."""

_NEIGHBOURS = 10
"""Each resample is compared with so many others; more of the same resamples add nothing."""

_MOST_CELLS = 4_000_000  # distances at a time, to bound the memory


@dataclass(frozen=True)
class ResampledScores:
    """What the models of resamples say of new images.

    Attributes:
        scores: float64 (num_resamples, num_rows, num_findings), log-odds of their scores.
        thresholds: float64 (num_resamples, num_findings), log-odds of their thresholds.
    """

    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class HowSure:
    """What models of other cohorts of the same size would say of new images.

    Attributes:
        low: float32 (num_rows, num_findings), in 95 % of these models the score is at least that.
        high: float32 (num_rows, num_findings), and at most that.
        away: float64 (num_rows, num_findings), mean absolute difference from the score.
        flips: float64 (num_rows, num_findings), share of these models whose answer is another.
        num_resamples: Resamples that this is known from.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    away: NDArray[np.float64]
    flips: NDArray[np.float64]
    num_resamples: int


def how_sure(
    scores: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    resampled: ResampledScores,
    *,
    exclusive: bool,
) -> HowSure:
    """Compare a model with those that other cohorts would have led to.

    Args:
        scores: (num_rows, num_findings), of the model.
        thresholds: (num_findings,), of the model.
        resampled: The same of resamples, at least two.
        exclusive: Whether there are several classes, of which one holds.
    """
    num_resamples = len(resampled.scores)
    steps = np.arange(1, min(_NEIGHBOURS, num_resamples - 1) + 1)
    ones = np.tile(np.arange(num_resamples), len(steps))
    others = (ones + np.repeat(steps, num_resamples)) % num_resamples
    moved = resampled.thresholds[ones] - resampled.thresholds[others]
    levels = special.expit(special.logit(bounded(thresholds)) + moved)[:, None]
    parts = []
    for some in np.array_split(np.arange(len(scores)), 1 + scores.size * len(ones) // _MOST_CELLS):
        mine, seen = scores[some], resampled.scores[:, some]
        middle, apart = special.logit(bounded(mine)), seen[ones] - seen[others]
        reach = np.quantile(np.abs(apart), LEVEL, axis=0)
        found = special.expit(middle + apart)
        answers = decide(mine, thresholds, exclusive=exclusive)
        is_other = decide(found, levels, exclusive=exclusive) != answers
        ends = special.expit(middle - reach), special.expit(middle + reach)
        parts.append((*ends, np.abs(found - mine).mean(axis=0), is_other.mean(axis=0)))
    low, high, away, flips = (np.concatenate(one) for one in zip(*parts, strict=True))
    # the score itself is in it, also where rounding or a score of 0 or 1 says otherwise
    low, high = np.minimum(low, scores), np.maximum(high, scores)
    return HowSure(low.astype(np.float32), high.astype(np.float32), away, flips, num_resamples)
