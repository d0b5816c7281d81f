"""The log of folds: what trials had scored after some of their folds, to compare others with."""

import csv
from pathlib import Path

import pandas as pd

from trainable.disk import writing
from trainable.files import drop_partial_line

_COLUMNS = ("number", "fold", "objective")


class FoldLog:
    """The only reader and writer of `folds.csv`: one row per report before the last one."""

    def __init__(self, run: Path) -> None:
        """Name the file in the folder `run`; the first row makes it."""
        self.csv = run / "folds.csv"

    def add(self, number: int, fold: int, objective: float) -> None:
        """Keep the objective of a trial over its folds so far."""
        with writing(self.csv.parent, "--out"):
            is_new = not self.csv.exists()
            with self.csv.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if is_new:
                    writer.writerow(_COLUMNS)
                writer.writerow([number, fold, objective])

    def rows(self) -> list[tuple[int, int, float]]:
        """Number, fold and objective of each report, in their order."""
        if not self.csv.exists():
            return []
        drop_partial_line(self.csv)
        table = pd.read_csv(self.csv, names=_COLUMNS, skiprows=1)
        numbers, folds, objectives = (table[name].tolist() for name in _COLUMNS)
        return list(zip(numbers, folds, objectives, strict=True))
