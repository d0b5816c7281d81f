"""`cxr-noise`: which rows of a table of confusion matrices differ by more than chance."""

import argparse
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from trainable.bootstrap import LEVEL
from trainable.metrics import f1_of_counts
from trainable.problems import InputProblemsError, Problems, listing

CELLS = ("tp", "fn", "fp", "tn")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="cxr-noise", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV with the columns TP, FN, FP and TN")
    try:
        table = read_counts(parser.parse_args().file)
    except InputProblemsError as error:
        sys.exit(f"cxr-noise: {error}")
    for line in describe(table):
        print(line)


def read_counts(file: Path) -> pd.DataFrame:
    """Read confusion matrices, a row each.

    Returns:
        The columns `tp`, `fn`, `fp` and `tn`, whole numbers, indexed by a name for each row: what
        its other columns hold, else its number from 1.

    Raises:
        InputProblemsError: naming every missing column and every row that cannot be.
    """
    problems = Problems()
    if not file.is_file():
        raise InputProblemsError([f"FILE must be a CSV file; not found: {file}"])
    raw = pd.read_csv(file, dtype=str, keep_default_na=False)
    columns = {str(column).strip().lower(): column for column in raw.columns}
    missing = [cell.upper() for cell in CELLS if cell not in columns]
    if missing:
        problems.add(
            f"the columns TP, FN, FP and TN are needed; {listing(missing)} not among "
            f"{listing(raw.columns)}"
        )
        problems.refuse()
    cells = raw[[columns[cell] for cell in CELLS]].set_axis(list(CELLS), axis=1)
    numbers: pd.DataFrame = cells.apply(pd.to_numeric, errors="coerce")
    bad = ~(numbers.ge(0) & numbers.mod(1).eq(0)).all(axis=1)
    others = raw.drop(columns=[columns[cell] for cell in CELLS])
    names = [" ".join(filter(None, row)) for row in others.itertuples(index=False, name=None)]
    index = [name or str(number) for number, name in enumerate(names, start=1)]
    if bad.any():
        rows = [index[row] for row in np.flatnonzero(bad)]
        problems.add(f"counts must be whole numbers, 0 or more; they are not in: {listing(rows)}")
    elif empty := [index[row] for row in np.flatnonzero(numbers[["tp", "fn"]].sum(axis=1) == 0)]:
        problems.add(f"a row must hold positive images (TP + FN); none in: {listing(empty)}")
    problems.refuse()
    counts: pd.DataFrame = numbers.astype(int).set_axis(index, axis=0)
    return counts


def f1_interval(tp: int, errors: int) -> tuple[float, float]:
    """The 95 % interval of an F1 by its counts.

    F1 = 2 J / (1 + J), where J = TP / (TP + FN + FP) is a plain proportion of the images that are
    positive, or predicted so. So Wilson's interval of J gives that of F1.

    Args:
        tp: true positives.
        errors: FN + FP; not 0 together with `tp`.
    """
    ends = stats.binomtest(tp, tp + errors).proportion_ci(LEVEL, method="wilson")
    return 2 * ends.low / (1 + ends.low), 2 * ends.high / (1 + ends.high)


def differing_pairs(table: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Names of two rows, and the probability of so large a difference by chance, corrected.

    Fisher's exact test of two rows' J; F1 differs exactly where J does. Holm's correction keeps the
    probability of any false alarm among all pairs below 5 %. The rows are taken as independent:
    rows of the same images mostly err together, and then chance makes smaller differences yet, but
    how much smaller a table of counts cannot tell.

    Returns:
        The pairs whose corrected probability is below 0.05.
    """
    found = table["tp"].to_numpy()
    errors = (table["fn"] + table["fp"]).to_numpy()
    pairs = list(combinations(range(len(table)), 2))
    chance = np.array(
        [
            stats.fisher_exact([[found[a], errors[a]], [found[b], errors[b]]]).pvalue
            for a, b in pairs
        ]
    )
    return [
        (str(table.index[a]), str(table.index[b]), float(p))
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


def describe(table: pd.DataFrame) -> Iterator[str]:
    """Each F1 with its interval, and what the table tells apart, a line each."""
    width = max(len(str(name)) for name in table.index)
    scores = f1_of_counts(table[list(CELLS)].to_numpy().T, "binary")
    for (name, row), f1 in zip(table.iterrows(), scores, strict=True):
        low, high = f1_interval(int(row["tp"]), int(row["fn"] + row["fp"]))
        yield f"{name!s:{width}s}  F1 {f1:.3f}  95 % interval {low:.3f} to {high:.3f}"
    yield ""
    num_pairs = len(table) * (len(table) - 1) // 2
    differing = differing_pairs(table)
    for one, other, chance in differing:
        yield f"{one} and {other} differ by more than chance (p = {chance:.2g})"
    if not differing:
        yield f"no two of the {len(table)} rows differ by more than chance"
    yield (
        f"(Fisher's exact test of {num_pairs} pairs, Holm's correction, rows taken as independent; "
        "luck of training, and several images a patient, add to what chance can do)"
    )


if __name__ == "__main__":
    main()
