"""How far a reported F1 can be trusted: `python -m benchmarks.selection`, some 20 minutes.

Four ways of choosing among the trials of a search, each with the threshold that it finds best:

- team: the mean score of 1, 5 or 10 trials, corrected (`search/winner/selection.py`);
- single: the trial with the best objective, corrected in the same way (`--team 1`);
- holdout: the best F1 on one hold-out, a fifth of the patients, as most tools choose;
- fold_mean: the best mean of the F1s of five folds.

Each reports an F1 with a 95 % CI. The true F1 of what it chose is known: by calculation where
the scores are drawn from normal distributions, on 20,000 new phantoms where networks are trained.
`bias` is the mean of reported minus true; `coverage` how often the true F1 lies in the interval;
`regret` how far the true F1 lies below the best trial at its best threshold; `size` the mean number
of trials that were taken.
"""

import argparse
import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmarks.quality.judged_search import JudgedSearch
from benchmarks.selection.real_searches import draw_new_images, run_search
from benchmarks.selection.simulated_searches import simulate_search
from search.winner.selection import TEAM_SIZES, TeamRule, select
from trainable.evaluation.intervals import LEVEL, estimate
from trainable.evaluation.metrics import f1_at, of_scores
from trainable.evaluation.scoring import Scoring

Claim = tuple[Sequence[int], float, float, tuple[float, float]]
"""The trials chosen, the threshold of their mean score, the F1 reported and its interval."""

COHORTS = {1393: 164, 147: 31, 66: 14}
"""Number of positive images by the number of images."""

# no score led to any of these trials, so some may stand for those that a search begins with
NUM_PLANNED = 9
METHODS = ("team", "single", "holdout", "fold_mean")
FIGURES = ("bias", "coverage", "true_f1", "regret", "size")


def claim_team(search: JudgedSearch, sizes: Sequence[int] = TEAM_SIZES) -> Claim:
    """Choose and correct as `cxr-search` does."""
    planned = np.arange(len(search.scored.scores)) < NUM_PLANNED
    found = select(search.scored, Scoring(), TeamRule(sizes, planned=planned))
    return found.members, found.thresholds[0], found.corrected_f1, found.interval


def claim_holdout(search: JudgedSearch) -> Claim:
    """The best F1 on the first fold, with the percentiles of a bootstrap by patient."""
    held_out = search.scored.take(search.folds == 0)
    scores = search.first_scores[:, search.folds == 0]
    trial, threshold, _ = _best_mean(held_out.labels[:, 0], scores, np.ones((1, len(held_out))))
    f1 = f1_at(np.array([threshold], np.float32), "binary")
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


def report(rows: pd.DataFrame) -> dict[str, object]:
    """Means over searches for each method, and their number."""
    means = rows.groupby("method")[list(FIGURES)].mean().round(4)
    searches = len(rows) // len(METHODS)
    return {"searches": searches, **{name: means.loc[name].to_dict() for name in METHODS}}


def main() -> None:
    """Run the searches and print the table, then all of it in a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--simulated", type=int, default=300, help="searches of each cohort (300)")
    parser.add_argument(
        "--images", type=int, nargs="*", default=list(COHORTS),
        help="sizes of the simulated cohorts (all)", choices=list(COHORTS),
    )  # fmt: skip
    parser.add_argument("--real", type=int, default=20, help="searches with real networks (20)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (2)")
    options = parser.parse_args()
    # each process computes on one core
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    results = {}
    with (
        TemporaryDirectory(prefix="cxr-benchmark-") as folder,
        ProcessPoolExecutor(options.processes, context) as pool,
    ):
        jobs: dict[str, tuple[Callable[[int], JudgedSearch], int]] = {
            f"{size} images, {COHORTS[size]} positive": (
                functools.partial(simulate_search, size, COHORTS[size]),
                options.simulated,
            )
            for size in options.images
        }
        if options.real:
            draw_new_images(Path(folder), pool)
            jobs["demo cohorts"] = (functools.partial(run_search, Path(folder)), options.real)
        for name, (make, count) in jobs.items():
            found = pool.map(functools.partial(judge, make), range(count))
            results[name] = pd.DataFrame([row for rows in found for row in rows])
            print(f"{name}: {count} searches")
            means = results[name].groupby("method")[list(FIGURES)].mean().loc[list(METHODS)]
            print(means.to_string(float_format="{:+.3f}".format), "\n", flush=True)
    settings = {name: report(rows) for name, rows in results.items()}
    print(json.dumps({**report(pd.concat(results.values())), "settings": settings}))


if __name__ == "__main__":
    main()
