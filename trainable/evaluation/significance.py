"""Which rows of a table of counts differ by more than chance."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainable.evaluation.intervals import LEVEL

CAVEAT = (
    "Holm's correction; rows are assumed independent; random seeds and repeated patients make real "
    "differences even less certain"
)
"""The assumptions of every verdict."""


def wilson_f1_interval(tp: int, errors: int) -> tuple[float, float]:
    """The 95 % CI of an F1 by its counts.

    F1 = 2 J / (1 + J), where J = TP / (TP + FN + FP) is a plain proportion of the images that are
    positive, or predicted so. So Wilson's interval of J gives that of F1.

    Args:
        tp: true positives.
        errors: FN + FP; not 0 together with `tp`.
    """
    low, high = proportion_interval(tp, errors)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def proportion_interval(hits: int, misses: int) -> tuple[float, float]:
    """Wilson's 95 % CI of a share of hits."""
    ends = stats.binomtest(hits, hits + misses).proportion_ci(LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def differing_pairs(
    names: Sequence[str], hits: Sequence[int], misses: Sequence[int]
) -> list[tuple[str, str, float]]:
    """Names of two rows, and the probability of so large a difference by chance, corrected.

    Fisher's exact test of two rows' shares of hits: TP against FN + FP compares their F1, which
    differs exactly where that share does; the right against the wrong their accuracy. Holm's
    correction keeps the probability of any false alarm among all pairs below 5 %. The rows are
    assumed independent. Rows of the same images mostly err together, so chance makes even smaller
    differences; a table of counts cannot show how much smaller.

    Returns:
        The pairs whose corrected probability is below 0.05.
    """
    pairs = list(combinations(range(len(names)), 2))
    chance = np.array(
        [stats.fisher_exact([[hits[a], misses[a]], [hits[b], misses[b]]]).pvalue for a, b in pairs]
    )
    return [
        (names[a], names[b], float(p))
        for (a, b), p in zip(pairs, holm(chance), strict=True)
        if p < 1 - LEVEL
    ]


def holm(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down correction of probabilities (num_tests,).

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(chance)
    scaled = chance[order] * np.arange(len(chance), 0, -1)
    corrected = np.empty(len(chance))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def verdict(names: Sequence[str], hits: Sequence[int], misses: Sequence[int]) -> Iterator[str]:
    """One line per pair of rows that differ; see `differing_pairs`."""
    differing = differing_pairs(names, hits, misses)
    for one, other, chance in differing:
        yield f"{one} and {other} differ by more than chance (p = {chance:.2g})"
    if not differing:
        yield f"no two of the {len(names)} rows differ by more than chance"
