"""Findings that have too few patients, whatever the labels that are open will count as."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.checks import check_counts
from trainable.cohort.cohort import LABEL_OF, Cohort
from trainable.errors import Checks
from trainable.reading.labels import Labels


def check_enough(
    raw: pd.DataFrame,
    table: pd.DataFrame,
    labels: Labels,
    num_folds: int,
    checks: Checks,
    *,
    is_asked: bool,
) -> None:
    """Add findings with fewer patients than folds beside other problems of the reading.

    A label whose use is open counts as both. Without known patients, images count in their place.

    Args:
        raw: The columns of labels, as text.
        table: The same rows, as `LabelledImages` has them.
        labels: How the labels are read.
        num_folds: Number of folds.
        checks: Given the problem.
        is_asked: Whether the user names several findings; else those that are rare are left out.
    """
    is_one = len(labels.rules) == 1 and not labels.rules[0].is_exclusive
    if not is_one and not is_asked:
        return
    patients = table["patient"] if "patient" in table else table["image"]
    rows = table.assign(patient=patients)
    manifest = pd.concat([rows.assign(**dict(_cases(raw, labels, use))) for use in (1, 0)])
    check_counts(Cohort(manifest.reset_index(drop=True), labels.rules), num_folds, checks)


def _cases(raw: pd.DataFrame, labels: Labels, use: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The labels of each finding if those that are open count as positive (1) or negative (0)."""
    for rule in labels.rules:
        column = raw[rule.finding] if raw.shape[1] > 1 else raw.iloc[:, 0]
        missing = rule.missing or "negative"
        uncertain = rule.uncertain or ("positive" if use else "negative")
        settled = dataclasses.replace(rule, missing=missing, uncertain=uncertain)
        name = "label" if rule.finding is None else LABEL_OF + rule.finding
        yield name, settled.judge(column).values.to_numpy()
