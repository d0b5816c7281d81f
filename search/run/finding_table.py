"""`findings.csv`: what each trial is worth for each of several findings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from trainable.evaluation.metrics import Evaluation
from trainable.files import replacing, writing

COLUMNS = ("number", "finding", *Evaluation.__annotations__)
"""Columns of `findings.csv`, one row per finding of each complete trial."""


def write_findings(
    run: Path, names: Sequence[str], trials: Mapping[int, Sequence[Evaluation]]
) -> None:
    """Write all rows anew, which happens whenever a winner is chosen.

    Args:
        run: Run folder.
        names: Names of the findings.
        trials: For the number of each complete trial a record per finding.
    """
    rows = [
        {"number": number, "finding": name, **one}
        for number, found in trials.items()
        for name, one in zip(names, found, strict=True)
    ]
    with writing(run, "--out"), replacing(run / "findings.csv") as partial:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(partial, index=False)


def read_findings(run: Path) -> pd.DataFrame:
    """All rows of a run with several findings and a winner."""
    return pd.read_csv(run / "findings.csv", dtype={"finding": str}, keep_default_na=False,
                       na_values={"auc": "", "average_precision": ""})  # fmt: skip
