"""What a run tells of more patients and of elsewhere, judged: `python -m benchmarks.more_patients`.

    python -m benchmarks.more_patients [--curves 30] [--hospitals 10] [--patients 180]

For each of `--curves`, a cohort of fresh phantoms is searched, and `cxr-report --learning-curve`
tells the F1 of a search on twice and four times the patients. Then patients join the cohort until
they are so many, and it is searched again. `true` is the F1 of the winner on new phantoms, by their
true risks. A gain is the F1 above that of the first cohort's winner.

For each of `--hospitals`, a cohort of three hospitals is searched, and `cxr-report --judge-across`
tells the gap of each. The films of one are darker, flatter and noisier; another has more deaths
from fainter signs. The true gap is the F1 of the team fitted without the hospital, less that of the
team fitted to all, on new phantoms of the hospital.

A search is six logistic heads on one frozen network with random weights, in five folds, without
Ray. `bias` is the mean of told minus true with its 95 % interval, `coverage` how often the interval
that is told holds the truth, `width` its mean width, `not_told` how often nothing was told. The
last line is JSON. On one core, 30 curves take about a quarter of an hour, and 1.5 GB of disk.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import pandas as pd
import torch

from benchmarks.more_patients.curves import judge_curve
from benchmarks.more_patients.hospitals import judge_hospitals
from benchmarks.more_patients.phantoms import HOSPITALS, USUAL, Hospital
from benchmarks.more_patients.searches import Bench
from benchmarks.more_patients.told import Row, summary

_SEED_OF_NEW = 10**6
_THREE_DECIMALS = "{:.3f}".format

Judge = Callable[[Bench, int, int], Iterator[Row]]


def judge_all(
    judge: Judge, hospitals: Sequence[Hospital], num_cohorts: int, options: argparse.Namespace
) -> pd.DataFrame:
    """Judge fresh cohorts on the same new phantoms; print each, and return the summary."""
    with TemporaryDirectory(prefix="cxr-more-patients-") as folder:
        home, size = Path(folder), options.image_size
        new = [
            one.draw(home, f"new-{one.name}", options.new_patients, size, _SEED_OF_NEW + place)
            for place, one in enumerate(hospitals)
        ]
        bench, tables = Bench(home, size, options.backbone, pd.concat(new)), []
        for number in range(num_cohorts):
            began = process_time()
            rows = pd.DataFrame(judge(bench, options.patients, number))
            print(rows.to_string(index=False, float_format=_THREE_DECIMALS))
            print(f"cohort {number}: {process_time() - began:.0f} s of CPU time", flush=True)
            tables.append(rows)
    found = summary(pd.concat(tables))
    print(found.to_string(float_format=_THREE_DECIMALS), flush=True)
    return found


def main() -> None:
    """Judge curves, then hospitals; print each cohort, the tables, and one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.more_patients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--curves", type=int, default=30, help="cohorts with a learning curve (30)")
    add("--hospitals", type=int, default=10, help="cohorts of three hospitals (10)")
    add("--patients", type=int, default=180, help="patients of a cohort, or of a hospital (180)")
    add("--new-patients", type=int, default=2000, help="to judge by, of each hospital (2000)")
    add("--image-size", type=int, default=64, help="pixels (64)")
    add("--backbone", default="squeezenet1_0", help="the network (squeezenet1_0)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = []
    if options.curves:
        tables.append(judge_all(judge_curve, [USUAL], options.curves, options))
    if options.hospitals:
        tables.append(judge_all(judge_hospitals, HOSPITALS, options.hospitals, options))
    figures = pd.concat(tables).round(4).to_json(orient="index") if tables else "{}"
    print(json.dumps(json.loads(figures)))


if __name__ == "__main__":
    main()
