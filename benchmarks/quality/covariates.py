"""What columns add to the images: `python -m benchmarks.quality.covariates --covariates age,sex`.

On each resplit of a cohort three models are chosen on the training part and judged on the other:

- covariates: a logistic regression on the columns alone, as the page has it;
- image: the team that `cxr-search` chooses, which sees the images alone;
- both: the same with `--use-covariates`.

Differences are paired, with Student's interval over the resplits.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.quality.__main__ import FIGURES, difference
from benchmarks.quality.cohorts import Resplit, resplits
from benchmarks.quality.methods import Row, Setup, best_threshold, judged, predict_test, run_search
from trainable.cohort.splits import Fold
from trainable.evaluation.covariates import covariate_scores

_FOLDS = 5


def judge(part: Resplit, setup: Setup, columns: list[str]) -> Iterator[Row]:
    """A row for each of the three."""
    yield _columns_alone(part, columns)
    for table, name in ((part.train, "train"), (part.test, "test")):
        table.to_csv(part.folder / f"{name}.csv", index=False)
    trials = "--trials", str(setup.trials)
    asked = "--covariates", ",".join(columns), "--use-covariates"
    for method, more in (("image", ()), ("both", asked)):
        run, cpu = run_search(part, setup, method, *trials, *more)
        yield predict_test(part, setup, method, run, cpu)


def _columns_alone(part: Resplit, columns: list[str]) -> Row:
    began, train = time.process_time(), part.train
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=part.number)
    split = folds.split(train, train["label"], train["patient"])
    out_of_fold = _scores(train, columns, [Fold(fitted, scored) for fitted, scored in split])
    threshold, reported = best_threshold(train["label"].to_numpy(), out_of_fold)
    whole, num_train = pd.concat([train, part.test], ignore_index=True), len(train)
    rows = np.arange(len(whole))
    scores = _scores(whole, columns, [Fold(rows[:num_train], rows[num_train:])])[num_train:]
    cpu = time.process_time() - began
    return judged(part, "covariates", scores, threshold=threshold, reported=reported, cpu=cpu)


def _scores(table: pd.DataFrame, columns: list[str], folds: list[Fold]) -> NDArray[np.float32]:
    labels = table[["label"]].to_numpy(np.int64)
    return covariate_scores(table[columns], labels, folds)[:, 0]


def main() -> None:
    """Run all resplits; print a line for each model, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.covariates")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the labelled images as cxr-search takes them")
    add("--covariates", required=True, help="columns, as A,B")
    add("--weights", default="none", help="weights as cxr-search takes them (none)")
    add("--resplits", type=int, default=10, help="number of resplits (10)")
    add("--first", type=int, default=0, help="number of the first resplit, its seed (0)")
    add("--train-share", type=float, default=0.33, help="share of the patients to train on (0.33)")
    add("--trials", type=int, default=40, help="trials per search (40)")
    add("--image-size", type=int, default=224, help="pixels (224)")
    options = parser.parse_args()
    columns, rows = options.covariates.split(","), []
    with TemporaryDirectory(prefix="cxr-covariates-") as folder:
        setup = Setup(
            options.weights, options.image_size, options.trials, Path(folder, "cache"), ()
        )
        numbers = range(options.first, options.first + options.resplits)
        for part in resplits(Path(folder), options.data, None, numbers, options.train_share):
            for row in judge(part, setup, columns):
                rows.append(row)
                figures = "  ".join(f"{figure} {row[figure]:.3f}" for figure in FIGURES)
                print(f"resplit {part.number}  {row['method']:12s} {figures}", flush=True)
    table = pd.DataFrame(rows)
    means = table.groupby("method")[list(FIGURES)].mean().round(4)
    found: dict[str, object] = {str(method): row.to_dict() for method, row in means.iterrows()}
    for other in ("image", "covariates"):
        found[f"both_minus_{other}"] = {
            figure: difference(table, "both", other, figure) for figure in ("f1", "auc")
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
