"""How well several findings are found and reported: `python -m benchmarks.findings`.

    python -m benchmarks.findings [--cohorts 10] [--new-patients 5000]
    python -m benchmarks.findings --data FOLDER --weights FOLDER [--resplits 10]
    python -m benchmarks.findings --cost 3

Without `--data`, fresh cohorts of the phantoms of `--data demo:findings` are searched: four
findings that can stand together, one of them rare, one small, one with unknown labels. For each the
reported F1 is compared with the true one, which follows from the true risks of new phantoms.

With `--data`, a folder of children's X-rays (Kermany 2018) is split by patient again and again, and
searched as three classes: normal, bacterial and viral. The team is compared with scikit-learn's
multinomial logistic regression on the averages of all stages of the same network.

With `--cost`, one cohort of phantoms is searched for one finding, and for all four: the whole of
`cxr-search`, the same trials on the same images, in turn.

Elsewhere a search is a loop over configurations of the default space with frozen bodies. It runs
the folds, the choice and the final fits of `cxr-search` and `cxr-predict`, but not Ray. `told` is
the reported F1, corrected for the choice; `covered` how often its interval holds the true F1.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from benchmarks.findings.cost import compare
from benchmarks.findings.pools import Part, Pool, children, phantoms
from benchmarks.findings.searches import Found, Setup, probe, search
from benchmarks.findings.truth import f1_of_each, interval
from trainable.backbones.weights import find_weights

OVER_ALL = "macro"
Row = dict[str, float | str]


def judge(pool: Pool, part: Part, found: Found) -> Iterator[Row]:
    """A row per finding, and one over all: the reported and the true F1."""
    true = f1_of_each(found.calls, pool.truth[part.test])
    selection, names = found.selection, pool.cohort.findings.names
    told = (*selection.corrected_each, selection.corrected)
    for name, one, f1 in zip((*names, OVER_ALL), told, (*true, true.mean()), strict=True):
        low, high = one.interval
        yield {
            "part": part.number,
            "finding": name,
            "told": one.f1,
            "true": float(f1),
            "told_minus_true": one.f1 - float(f1),
            "covered": float(low <= f1 <= high),
        }


def describe(rows: pd.DataFrame, pool: Pool) -> Iterator[str]:
    """The means of each finding over all parts as a table, then the differences to the probe."""
    order = [*pool.cohort.findings.names, OVER_ALL]
    means = rows.groupby("finding").mean().drop(columns="part").loc[order]
    if pool.best:
        means = means.assign(best_possible=np.array([*pool.best, np.mean(pool.best)]))
    yield means.to_string(float_format="{:.3f}".format)
    if "probe" in rows and rows["part"].nunique() > 1:
        for name in order:
            own = rows[rows["finding"] == name]
            mean, low, high = interval((own["true"] - own["probe"]).tolist())
            yield f"team minus probe, F1 of {name}: {mean:+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Search on all parts; print each, the tables, and the means in one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.findings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cohorts", type=int, default=10, help="cohorts of phantoms (10)")
    add("--new-patients", type=int, default=5000, help="new phantoms' patients to judge by (5000)")
    add("--cost", type=int, default=0, help="searches for one finding, and for four, to time (0)")
    add("--data", type=Path, help="folder of X-rays whose names have their class; else phantoms")
    add("--resplits", type=int, default=10, help="splits of these by patient (10)")
    add("--train-share", type=float, default=0.33, help="share of the patients to train on (0.33)")
    add("--weights", default="none", help="weights as cxr-search takes them (none)")
    add("--backbones", default="squeezenet1_0", help="networks to try (squeezenet1_0)")
    add("--trials", type=int, default=16, help="trials per search (16)")
    add("--repeats", type=int, default=3, help="how often folds are drawn (3)")
    add("--image-size", type=int, help="pixels (224; 96 for phantoms)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = options.image_size or (224 if options.data else 96)
    with TemporaryDirectory(prefix="cxr-findings-") as folder:
        setup = Setup(
            find_weights(options.weights, options.backbones.split(",")),
            "none" if options.weights == "none" else "own",
            size, options.trials, options.repeats, Path(folder, "cache"),
        )  # fmt: skip
        if options.cost:
            for line in compare(setup, Path(folder), options.cost):
                print(line, flush=True)
            return
        if options.data:
            pool = children(options.data, options.resplits, options.train_share)
        else:
            pool = phantoms(Path(folder, "x"), options.cohorts, options.new_patients, size)
        tables = []
        for part in pool.parts:
            judged = pd.DataFrame(judge(pool, part, search(pool, part, setup)))
            if options.data:
                of_probe = f1_of_each(probe(pool, part, setup), pool.truth[part.test])
                judged["probe"] = [*of_probe, of_probe.mean()]
            print(judged.to_string(index=False, float_format="{:.3f}".format), flush=True)
            tables.append(judged)
    table = pd.concat(tables)
    print(*describe(table, pool), sep="\n")
    means = table.groupby("finding").mean().drop(columns="part").round(4)
    print(json.dumps(means.to_dict("index")))


if __name__ == "__main__":
    main()
