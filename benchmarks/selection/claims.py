"""Ways of choosing among the trials of a search, and what each claims of its choice."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.quality.judged_search import JudgedSearch
from search.winner.selection import TEAM_SIZES, TeamRule, select
from trainable.evaluation.intervals import LEVEL, estimate
from trainable.evaluation.metrics import f1_at, of_scores
from trainable.evaluation.scoring import Scoring

Claim = tuple[Sequence[int], float, float, tuple[float, float]]
"""The trials chosen, the threshold of their mean score, the F1 reported and its interval."""

# no score led to any of these trials, so some may stand for those that a search begins with
NUM_PLANNED = 9
METHODS = ("team", "single", "holdout", "fold_mean")


def claim_team(search: JudgedSearch, sizes: Sequence[int] = TEAM_SIZES) -> Claim:
    """Choose and correct as `cxr-search` does."""
    planned = np.arange(len(search.scored.scores)) < NUM_PLANNED
    found = select(search.scored, Scoring(), TeamRule(sizes, planned=planned))
    return found.members, found.thresholds[0], found.corrected.f1, found.corrected.interval


def claim_holdout(search: JudgedSearch) -> Claim:
    """The best F1 on the first fold, with the percentiles of a bootstrap by patient."""
    held_out = search.scored.take(search.folds == 0)
    scores = search.first_scores[:, search.folds == 0]
    trial, threshold, _ = _best_mean(held_out.labels[:, 0], scores, np.ones((1, len(held_out))))
    f1 = f1_at(np.array([threshold], np.float32), Scoring())
    found = estimate(held_out, {"F1": of_scores(scores[trial][:, None], f1)})["F1"]
    return [trial], threshold, found.value, (found.low, found.high)


def claim_fold_mean(search: JudgedSearch) -> Claim:
    """The best mean of the folds' F1s, with Student's interval of that mean."""
    parts = (search.folds == np.arange(search.folds.max() + 1)[:, None]).astype(np.float64)
    trial, threshold, f1 = _best_mean(search.scored.labels[:, 0], search.first_scores, parts)
    low, high = stats.t.interval(LEVEL, len(f1) - 1, f1.mean(), stats.sem(f1))
    return [trial], threshold, float(f1.mean()), (float(low), float(high))


def _best_mean(
    labels: NDArray[np.int64], scores: NDArray[np.float32], parts: NDArray[np.float64]
) -> tuple[int, float, NDArray[np.float64]]:
    """The trial and threshold with the best mean F1 over parts of the images, and the F1s."""
    best: tuple[int, float, NDArray[np.float64]] = (0, 0.0, np.full(len(parts), -1.0))
    for trial, of_trial in enumerate(scores):
        candidates = np.unique(of_trial[labels == 1])
        above = (of_trial >= candidates[:, None]).astype(np.float64)
        predicted, found = above @ parts.T, (above * labels) @ parts.T
        f1 = 2 * found / (parts @ labels + predicted)
        top = f1.mean(axis=1).argmax()
        if f1[top].mean() > best[2].mean():
            best = (trial, float(candidates[top]), f1[top])
    return best


CLAIMS: dict[str, Callable[[JudgedSearch], Claim]] = dict(
    zip(
        METHODS,
        (claim_team, functools.partial(claim_team, sizes=(1,)), claim_holdout, claim_fold_mean),
        strict=True,
    )
)


def judge(make: Callable[[int], JudgedSearch], seed: int) -> list[dict[str, float | str]]:
    """One row per method: what it claimed of one search, and the truth."""
    search = make(seed)
    best = search.truth.best_f1()
    rows: list[dict[str, float | str]] = []
    for method, claim in CLAIMS.items():
        members, threshold, f1, (low, high) = claim(search)
        true_f1 = search.truth.f1(members, threshold)
        rows.append(
            {
                "method": method,
                "size": len(members),
                "bias": f1 - true_f1,
                "coverage": float(low <= true_f1 <= high),
                "true_f1": true_f1,
                "regret": best - true_f1,
            }
        )
    return rows
