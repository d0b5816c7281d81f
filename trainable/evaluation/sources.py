"""What files tell of the label before their pixels: classes that come from different sources."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.cohort.splits import Fold
from trainable.evaluation.covariates import telling_columns
from trainable.images.survey import KINDS, by_field


def file_columns(surveys: NDArray[np.float64]) -> pd.DataFrame:
    """What is known of files, as covariates: a row for each, and only columns that differ.

    Args:
        surveys: (num_files, number of fields), the fields of `Survey`.
    """
    seen = by_field(surveys)
    kinds = np.array([*KINDS, "other"], object)
    bits = np.where(seen["is_deep"] == 1, np.log2(np.maximum(seen["high"], 1) + 1).round(), 8)
    categories = {
        "kind of file": kinds[seen["kind"].astype(int)],
        "channels": seen["channels"].astype(int).astype(str),
        "bits per pixel": bits.astype(int).astype(str),
        "machine": seen["maker"].astype(int).astype(str),
    }
    numbers = {
        "width": seen["width"],
        "height": seen["height"],
        "width by height": seen["width"] / seen["height"],
    }
    columns = pd.DataFrame(categories).astype(object).assign(**numbers)
    return columns.loc[:, columns.nunique() > 1]


def describe_sources(
    surveys: NDArray[np.float64],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    findings: Findings,
) -> Iterator[str]:
    """A sentence if something about the files alone predicts the label suspiciously well.

    Args:
        surveys: (num_exams, number of fields), the survey of one image of each examination.
        labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        folds: Rows of the examinations to train on and to score.
        findings: What is asked of each examination.
    """
    columns = file_columns(surveys)
    telling = list(telling_columns(columns, labels, folds))
    if telling:
        facts = "; ".join(
            f"{name} ({_of(findings, number)}AUC {value:.2f}"
            f"{_usual(columns[name], labels[:, number])})"
            for name, number, value in telling
        )
        yield (
            f"the files alone tell the classes apart, without any image: {facts}. A network may "
            "learn where images come from in place of the disease: take both classes from each "
            "source, or save all images in one kind, size and depth"
        )


def _of(findings: Findings, number: int) -> str:
    return "" if findings.is_one else f"{findings.names[number]}: "


def _usual(column: pd.Series, label: NDArray[np.int64]) -> str:
    """What is usual of each class; the numbers that stand for machines mean nothing to people."""
    if column.name == "machine":
        return ""
    of_class = [column[label == value] for value in (1, 0)]
    if column.dtype == object:
        positive, negative = (str(part.mode().iloc[0]) for part in of_class)
    else:
        positive, negative = (f"{part.median():.4g}" for part in of_class)
    return f"; positive mostly {positive}, negative {negative}" if positive != negative else ""
