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

With `--histories`, trials were also stopped early, or in a race of passes, or the ten best of 200
earlier trials were tried again, or two of these. `alone` are corrected as if the complete trials
had been all that there were, `repeated` as `cxr-search` does (`search/winner/entry.py`), `fresh`
are as many trials without a history, for comparison.

With `--several`, searches are for four findings that can stand together, one of them rare and one
with unknown labels, and for three classes. `bias` and `coverage` are of what is told of each
finding and of their mean; `apparent_bias` is of the F1 before its correction.

With `--answers`, a predictive value is promised of "no" or of "yes". `given` is the share of the
searches that could promise it; `kept` the share whose promise is true, or that gave none;
`decided` the share of new images with that answer, and `oracle` what it would be if the true worth
of the same team's scores were known (`trainable/evaluation/answers.py`).

With `--calibration`, the raw scores of a team stand beside those that were recalibrated, on 5,000
new patients, or the 20,000 new phantoms. `is_recalibrated` is the share of the searches that did.
"""

import argparse
import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.quality.judged_search import JudgedSearch
from benchmarks.selection.answers import judge_answers
from benchmarks.selection.calibration import judge_calibration
from benchmarks.selection.claims import METHODS, judge
from benchmarks.selection.histories import HISTORIES, judge_history
from benchmarks.selection.real_searches import draw_new_images, run_search
from benchmarks.selection.several_findings import judge_classes, judge_findings
from benchmarks.selection.simulated_searches import simulate_search

COHORTS = {1393: 164, 147: 31, 66: 14}
"""Number of positive images by the number of images."""

SEVERAL = {"four findings": judge_findings, "three classes": judge_classes}

FIGURES = ("bias", "coverage", "true_f1", "regret", "size")


def report(rows: pd.DataFrame) -> dict[str, object]:
    """Means over searches for each method, and their number."""
    means = rows.groupby("method")[list(FIGURES)].mean().round(4)
    searches = len(rows) // len(METHODS)
    return {"searches": searches, **{name: means.loc[name].to_dict() for name in METHODS}}


def report_answers(sizes: Sequence[int], searches: int, pool: Executor) -> None:
    """Print how often promises are kept, a table per size of a cohort, then all as JSON."""
    found = {}
    for size in sizes:
        each = pool.map(functools.partial(judge_answers, size, COHORTS[size]), range(searches))
        rows = pd.DataFrame([row for rows in each for row in rows])
        print(f"{size} images, {COHORTS[size]} positive: {searches} searches")
        means = rows.groupby("promise").mean()
        print(means.to_string(float_format="{:.3f}".format), "\n", flush=True)
        found[size] = means.round(4).to_dict("index")
    print(json.dumps({"searches": searches, "answers": found}))


def main() -> None:
    """Run the searches and print the table, then all of it in a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--simulated", type=int, default=300, help="searches of each cohort (300)")
    parser.add_argument(
        "--images", type=int, nargs="*", default=list(COHORTS),
        help="sizes of the simulated cohorts (all)", choices=list(COHORTS),
    )  # fmt: skip
    parser.add_argument(
        "--histories", type=int, default=0,
        help="searches of each cohort and history (0)",
    )  # fmt: skip
    parser.add_argument(
        "--kinds", nargs="*", default=list(HISTORIES), choices=list(HISTORIES),
        help="kinds of history (all)",
    )  # fmt: skip
    parser.add_argument(
        "--several", type=int, default=0,
        help="searches for four findings, and for three classes (0)",
    )  # fmt: skip
    parser.add_argument(
        "--answers", type=int, default=0,
        help="searches of each cohort that promise predictive values (0)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", action="store_true", help="compare raw and recalibrated scores instead"
    )
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
        for size in options.images if options.histories else ():
            for history in options.kinds:
                one = functools.partial(judge_history, size, COHORTS[size], history)
                found = pool.map(one, range(options.histories))
                rows = pd.DataFrame([row for rows in found for row in rows])
                print(f"{size} images, {history}: {options.histories} searches")
                means = rows.groupby(["choice", "candidates"])[["bias", "coverage"]].mean()
                print(means.to_string(float_format="{:+.3f}".format), "\n", flush=True)
        if options.answers:
            report_answers(options.images, options.answers, pool)
        for what, judge_one in SEVERAL.items() if options.several else ():
            found = pool.map(judge_one, range(options.several))
            rows = pd.DataFrame([row for rows in found for row in rows])
            print(f"{what}: {options.several} searches")
            means = rows.groupby("finding", sort=False).mean()
            print(means.to_string(float_format="{:+.3f}".format), "\n", flush=True)
        if not options.simulated and not options.real:
            return
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
            if options.calibration:
                found = pool.map(functools.partial(judge_calibration, make), range(count))
                rows = pd.DataFrame([row for rows in found for row in rows])
                print(f"{name}: {count} searches")
                means = rows.groupby("scores", sort=False).mean()
                print(means.to_string(float_format="{:+.4f}".format), "\n", flush=True)
                continue
            found = pool.map(functools.partial(judge, make), range(count))
            results[name] = pd.DataFrame([row for rows in found for row in rows])
            print(f"{name}: {count} searches")
            means = results[name].groupby("method")[list(FIGURES)].mean().loc[list(METHODS)]
            print(means.to_string(float_format="{:+.3f}".format), "\n", flush=True)
    if options.calibration:
        return
    settings = {name: report(rows) for name, rows in results.items()}
    print(json.dumps({**report(pd.concat(results.values())), "settings": settings}))


if __name__ == "__main__":
    main()
