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
    """Write all rows anew, which happens whenever a winner is chosen."""
    rows = [
        {"number": number, "finding": name, **one}
        for number, found in trials.items()
        for name, one in zip(names, found, strict=True)
    ]
    with writing(run, "--out"), replacing(run / "findings.csv") as partial:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(partial, index=False)
