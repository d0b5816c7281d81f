"""How well a search predicts, beside a second of scikit-learn: `python -m benchmarks.quality`.

    python -m benchmarks.quality --data FOLDER_OR_CSV --weights FOLDER [--resplits 10] [--trials 40]
    python -m benchmarks.quality --data demo

A cohort is split by patient again and again, into a small training part and a large test part. The
test part must be the larger one: whatever was chosen by its luck on one part of a small pool is
unlucky on the other part. With `--data demo` each resplit is a fresh cohort of phantoms, and the
test part is 20,000 new phantoms. On each resplit, with the same weights:

- trial 0: the baseline configuration, retrained;
- probe: scikit-learn's logistic regression on the last cut of the best single backbone;
- fused probe: the same regression on the averages of all stages side by side;
- single: the best trial of the search (`--team 1`);
- team: what `cxr-search` chooses by default.

Search and predictions run as the commands that a user runs. Student's intervals of the differences
are over the resplits. Resplits of one pool of patients overlap, so such an interval is about this
pool and not about other hospitals.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.quality.cohorts import Resplit, demo_resplits, resplits
from benchmarks.quality.methods import METHODS, Setup, run_methods
from trainable.backbones.encoder import Encoder

FIGURES = ("f1", "auc", "ap", "reported_minus_test", "cpu_s")
CALIBRATION = ("slope", "raw_slope", "loss_minus_raw")
"""Of the scores of searches: the slope as it is and before recalibration, and what that took off
the log loss."""

PROBES = ("probe", "fused_probe")


def difference(rows: pd.DataFrame, one: str, other: str, figure: str) -> list[float]:
    """Mean paired difference of a figure between two methods, and its 95 % CI."""
    by_method = rows.pivot_table(index="resplit", columns="method", values=figure)
    paired = by_method[one] - by_method[other]
    mean = float(paired.mean())
    if len(paired) < 2:
        return [mean, float("nan"), float("nan")]
    low, high = stats.t.interval(0.95, len(paired) - 1, mean, stats.sem(paired))
    return [round(value, 4) for value in (mean, float(low), float(high))]


def summary(rows: pd.DataFrame) -> dict[str, object]:
    """Means per method, and the team's differences to each other method."""
    means = _means(rows).round(4)
    methods = {str(name): row.dropna().to_dict() for name, row in means.iterrows()}
    differences = {
        f"team_minus_{other}": {
            figure: difference(rows, "team", other, figure) for figure in ("f1", "auc")
        }
        for other in methods
        if other != "team" and "team" in methods
    }
    return {**methods, **differences, "resplits": int(rows["resplit"].nunique())}


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Each figure's mean, by method."""
    figures = [name for name in (*FIGURES, *CALIBRATION) if name in rows]
    return rows.groupby("method", sort=False)[figures].mean()


def describe(name: str, rows: pd.DataFrame) -> Iterator[str]:
    """The means as a table, then the team's paired differences to both probes."""
    yield f"{name}: {rows['resplit'].nunique()} resplits"
    yield _means(rows).to_string(float_format="{:.3f}".format, na_rep="")
    methods = {*rows["method"]}
    for probe in (probe for probe in PROBES if {probe, "team"} <= methods):
        for figure in ("f1", "auc"):
            mean, low, high = difference(rows, "team", probe, figure)
            label = f"team minus {probe.replace('_', ' ')}, {figure}"
            yield f"{label:28s} {mean:+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Run all methods on all resplits; print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", required=True, help="demo, or the labelled images as cxr-search takes them")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--weights", default="none", help="weights as cxr-search takes them (none)")
    add("--backbones", help="encoders as cxr-search takes them (all that there are weights for)")
    add("--resplits", type=int, default=10, help="number of resplits (10)")
    add("--first", type=int, default=0, help="number of the first resplit, its seed (0)")
    add("--train-share", type=float, default=0.33, help="share of the patients to train on (0.33)")
    add("--trials", type=int, default=40, help="trials per search (40)")
    add("--image-size", type=int, help="pixels (224; 96 for the demo)")
    add("--new-phantoms", type=int, default=20_000, help="phantoms to judge the demo on (20,000)")
    add("--cache", type=Path, help="folder of decoded images and features; a new one if not given")
    add("--options", default="", help="further options of cxr-search, in one text")
    add("--methods", nargs="*", choices=METHODS, default=METHODS, help="methods to run (all)")
    options = parser.parse_args()
    size = options.image_size or (96 if options.data == "demo" else 224)
    with TemporaryDirectory(prefix="cxr-quality-") as folder:
        cache = (options.cache or Path(folder, "cache")).resolve()
        numbers = range(options.first, options.first + options.resplits)
        parts: Iterator[Resplit]
        if options.data == "demo":
            parts = demo_resplits(Path(folder), numbers, size, options.new_phantoms)
        else:
            data = Path(options.data)
            parts = resplits(
                Path(folder), data, options.patient_pattern, numbers, options.train_share
            )
        more = tuple(options.options.split())
        encoders = tuple(
            str(Encoder.read(name)) for name in filter(None, (options.backbones or "").split(","))
        )
        setup = Setup(options.weights, size, options.trials, cache, more, encoders)
        rows = []
        for part in parts:
            for row in run_methods(part, setup, options.methods):
                rows.append(row)
                figures = "  ".join(f"{figure} {row[figure]:.3f}" for figure in FIGURES)
                print(f"resplit {part.number}  {row['method']:12s} {figures}", flush=True)
    name = Path(options.data).stem
    table = pd.DataFrame(rows)
    print(*describe(name, table), sep="\n")
    print(json.dumps({name: summary(table)}, default=np.ndarray.tolist))


if __name__ == "__main__":
    main()
