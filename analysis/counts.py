"""Read confusion matrices, and report which of them differ by more than chance."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from trainable.errors import Checks, InputError, listing, num_of
from trainable.evaluation.counts import f1_of_counts
from trainable.evaluation.significance import CAVEAT, verdict, wilson_f1_interval
from trainable.reading.tables import read_table

CELLS = ("tp", "fn", "fp", "tn")


def read_counts(file: Path) -> pd.DataFrame:
    """Read a table with one confusion matrix per row.

    Returns:
        Columns `tp`, `fn`, `fp` and `tn` (whole numbers), indexed by the name of each row: the
        text of its other columns, or its number from 1 where there is none.

    Raises:
        InputError: naming every missing column and every row with impossible counts.
    """
    checks = Checks()
    if not file.is_file():
        raise InputError(f"FILE must be a table; not found: {file}")
    raw, _ = read_table(file, "FILE")
    columns = {str(column).strip().lower(): column for column in raw.columns}
    missing = [cell.upper() for cell in CELLS if cell not in columns]
    if missing:
        checks.add(
            f"FILE must have the columns TP, FN, FP and TN; missing: {listing(missing)}; "
            f"found: {listing(raw.columns)}"
        )
        checks.raise_if_any()
    cells = raw[[columns[cell] for cell in CELLS]].set_axis(list(CELLS), axis=1)
    numbers: pd.DataFrame = cells.apply(pd.to_numeric, errors="coerce")
    bad = ~(numbers.ge(0) & numbers.mod(1).eq(0)).all(axis=1)
    others = raw.drop(columns=[columns[cell] for cell in CELLS])
    names = [" ".join(filter(None, row)) for row in others.itertuples(index=False, name=None)]
    index = [name or str(number) for number, name in enumerate(names, start=1)]
    if bad.any():
        rows = [index[row] for row in np.flatnonzero(bad)]
        checks.add(f"counts must be whole numbers of at least 0; wrong in: {listing(rows)}")
    elif empty := [index[row] for row in np.flatnonzero(numbers[["tp", "fn"]].sum(axis=1) == 0)]:
        checks.add(f"a row must have positive images (TP + FN); none in: {listing(empty)}")
    checks.raise_if_any()
    counts: pd.DataFrame = numbers.astype(int).set_axis(index, axis=0)
    return counts


def describe(table: pd.DataFrame) -> Iterator[str]:
    """Yield a line per F1 with its interval, then lines on the rows that differ."""
    width = max(len(str(name)) for name in table.index)
    scores = f1_of_counts(table[list(CELLS)].to_numpy().T, "binary")
    for (name, row), f1 in zip(table.iterrows(), scores, strict=True):
        low, high = wilson_f1_interval(int(row["tp"]), int(row["fn"] + row["fp"]))
        yield f"{name!s:{width}s}  F1 {f1:.3f}  95 % CI {low:.3f} to {high:.3f}"
    yield ""
    errors = table["fn"] + table["fp"]
    yield from verdict([str(name) for name in table.index], table["tp"].tolist(), errors.tolist())
    num_pairs = len(table) * (len(table) - 1) // 2
    yield f"(Fisher's exact test of {num_of(num_pairs, 'pair')}, {CAVEAT})"
