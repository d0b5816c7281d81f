"""The "table 1" of a study: what the examinations of each outcome are like."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.report.page import Table


def table_one(
    columns: pd.DataFrame, labels: NDArray[np.int64], classes: tuple[str, str], units: str
) -> Table:
    """Each further column by outcome.

    Args:
        columns: One row per examination; numbers are float64, categories object.
        labels: (num_exams,), 1 positive, 0 negative.
        classes: What the user calls the negative and the positive class.
        units: What is labelled, in the plural.
    """
    groups = {
        f"negative ({classes[0]})": labels == 0,
        f"positive ({classes[1]})": labels == 1,
        "all": np.ones(len(labels), bool),
    }
    described = {name: _described(columns[rows], columns, units) for name, rows in groups.items()}
    frame = pd.DataFrame(described).rename_axis("characteristic").reset_index()
    return Table(
        frame,
        f"Table 1: {units} by outcome. Numbers are mean (SD) and median (quartiles); "
        "categories are count (share of the known values).",
    )


def _described(part: pd.DataFrame, whole: pd.DataFrame, units: str) -> dict[str, str]:
    """Text of each characteristic of some examinations; the rows are those of all of them."""
    cells = {units: f"{len(part):,}"}
    for name, values in part.items():
        known = values.dropna()
        if values.dtype == object:
            for category in sorted(whole[name].dropna().unique()):
                cells[f"{name}: {category}"] = _share(int((known == category).sum()), len(known))
        else:
            cells[f"{name}, mean (SD)"] = f"{known.mean():.1f} ({known.std():.1f})"
            low, middle, high = known.quantile([0.25, 0.5, 0.75])
            cells[f"{name}, median (quartiles)"] = f"{middle:.1f} ({low:.1f} to {high:.1f})"
        if whole[name].isna().any():
            cells[f"{name}, missing"] = _share(int(values.isna().sum()), len(values))
    return cells


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.1f} %)" if total else f"{count:,}"
