"""`cxr-noise`: which rows of a table of confusion matrices differ by more than chance."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from trainable.errors import InputError, Problems, listing
from trainable.evaluation.metrics import f1_of_counts
from trainable.evaluation.significance import CAVEAT, f1_interval, verdict

CELLS = ("tp", "fn", "fp", "tn")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="cxr-noise", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV with the columns TP, FN, FP and TN")
    try:
        table = read_counts(parser.parse_args().file)
    except InputError as error:
        sys.exit(f"cxr-noise: {error}")
    for line in describe(table):
        print(line)


def read_counts(file: Path) -> pd.DataFrame:
    """Read confusion matrices, a row each.

    Returns:
        The columns `tp`, `fn`, `fp` and `tn`, whole numbers, indexed by a name for each row: what
        its other columns hold, else its number from 1.

    Raises:
        InputError: naming every missing column and every row that cannot be.
    """
    problems = Problems()
    if not file.is_file():
        raise InputError(f"FILE must be a CSV file; not found: {file}")
    raw = pd.read_csv(file, dtype=str, keep_default_na=False)
    columns = {str(column).strip().lower(): column for column in raw.columns}
    missing = [cell.upper() for cell in CELLS if cell not in columns]
    if missing:
        problems.add(
            f"the columns TP, FN, FP and TN are needed; {listing(missing)} not among "
            f"{listing(raw.columns)}"
        )
        problems.raise_if_any()
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
    problems.raise_if_any()
    counts: pd.DataFrame = numbers.astype(int).set_axis(index, axis=0)
    return counts


def describe(table: pd.DataFrame) -> Iterator[str]:
    """Each F1 with its interval, and what the table tells apart, a line each."""
    width = max(len(str(name)) for name in table.index)
    scores = f1_of_counts(table[list(CELLS)].to_numpy().T, "binary")
    for (name, row), f1 in zip(table.iterrows(), scores, strict=True):
        low, high = f1_interval(int(row["tp"]), int(row["fn"] + row["fp"]))
        yield f"{name!s:{width}s}  F1 {f1:.3f}  95 % interval {low:.3f} to {high:.3f}"
    yield ""
    errors = table["fn"] + table["fp"]
    yield from verdict([str(name) for name in table.index], table["tp"].tolist(), errors.tolist())
    num_pairs = len(table) * (len(table) - 1) // 2
    yield f"(Fisher's exact test of {num_pairs} pairs, {CAVEAT})"


if __name__ == "__main__":
    main()
