"""How far the interval of an image can be trusted: `python -m benchmarks.how_sure`.

Cohorts are drawn from one distribution of features. On each, a search chooses a team, which scores
the same 300 new images. Each image has an interval by `cxr-predict --how-sure`. `coverage` is the
share of the images, over all pairs of cohorts, whose score by the model of the other cohort lies in
the interval; it should be 95 %. `percentiles` is the same of the plain percentiles of the
resamples, which tell how the model itself would vary, and not how far another one is. `width` is
the mean width. `away` and `flips` are what is told of the mean difference of two scores and of the
share of the answers that differ; `true_away` and `true_flips` are what they are between cohorts.
"""

import argparse
import functools
import itertools
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from scipy import special

from benchmarks.how_sure.cohorts import NUM_NEW, Model, draw, search

_OF_NEW = 10**6
"""Seed of the new images, which no cohort has."""


def judge(models: Sequence[Model]) -> dict[str, float]:
    """Compare each model with those of all other cohorts."""
    rows = []
    for one, other in itertools.permutations(models, 2):
        ends = np.quantile(special.expit(one.resampled.scores), [0.025, 0.975], axis=0)
        answers = [model.scores >= model.threshold for model in (one, other)]
        rows.append(
            {
                "coverage": _share_inside(one.found.low, other, one.found.high),
                "percentiles": _share_inside(ends[0], other, ends[1]),
                "width": float((one.found.high - one.found.low).mean()),
                "away": float(one.found.away.mean()),
                "true_away": float(np.abs(one.scores - other.scores).mean()),
                "flips": float(one.found.flips.mean()),
                "true_flips": float((answers[0] != answers[1]).mean()),
            }
        )
    means = pd.DataFrame(rows).mean().round(4)
    return {str(name): float(value) for name, value in means.items()}


def _share_inside(low: np.ndarray, other: Model, high: np.ndarray) -> float:
    return float(((low <= other.scores) & (other.scores <= high)).mean())


def main() -> None:
    """Draw the cohorts and print a line for each size, then all of it in a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.how_sure")
    parser.add_argument("--cohorts", type=int, default=20, help="cohorts of each size (20)")
    parser.add_argument(
        "--images", type=int, nargs="*", default=[147, 493], help="sizes of the cohorts (147 493)"
    )
    parser.add_argument("--how-sure", type=int, default=200, help="resamples of each (200)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (2)")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # each process computes on one core
    context = multiprocessing.get_context("spawn")
    new, found = draw(NUM_NEW, _OF_NEW), {}
    with ProcessPoolExecutor(options.processes, context) as pool:
        for size in options.images:
            start = time.perf_counter()
            one = functools.partial(search, size, options.how_sure, new)
            found[size] = judge([*pool.map(one, range(options.cohorts))])
            seconds = time.perf_counter() - start
            print(f"{size} images, {options.cohorts} cohorts, {seconds:,.0f} s")
            print(pd.Series(found[size]).to_string(float_format="{:.4f}".format), "\n", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
