"""Examinations by their values of a column: those left out together, and what they must hold."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import FOLD_OF, Cohort
from trainable.cohort.covariates import groups_of
from trainable.cohort.splits import Fold, leave_out, seen_rows
from trainable.cohort.stratified import draw_parts
from trainable.errors import Checks, InputError, listing

_FEWEST = 2  # patients of a class in a value


def values_of(cohort: Cohort, text: pd.Series, option: str) -> pd.Series:
    """The value of each examination, NaN where not known; numbers of many values in thirds.

    Args:
        cohort: The cohort.
        text: (num_images,), the cells of the column.
        option: The option that names the column.

    Raises:
        InputError: If images of one examination differ.
    """
    groups = groups_of(text)
    if cohort.grouping.views == 1:
        return groups.reset_index(drop=True)
    by_exam = groups.groupby(cohort.manifest["exam"], sort=False)
    different = by_exam.nunique() > 1
    if different.any():
        raise InputError(
            f"{option} needs one value per examination; {text.name} has several in "
            f"{int(different.sum())}: {listing(different.index[different])}"
        )
    return pd.Series(by_exam.first().to_numpy(object), name=text.name)


def require_learnable(cohort: Cohort, column: str, folds: Mapping[str, Fold], option: str) -> None:
    """Refuse values that cannot be left out, or judged.

    Args:
        cohort: The cohort.
        column: Name of the column.
        folds: What `leave_out` finds for its values.
        option: The option that names the column.

    Raises:
        InputError: Naming all problems, each with what would be enough.
    """
    checks, seen = Checks(), seen_rows(cohort)
    # every examination with a value is scored in one fold
    if missing := len(seen) - sum(len(fold.valid) for fold in folds.values()):
        checks.add(
            f"{option} needs a value for each {cohort.grouping.unit}; {column} has none for "
            f"{missing} of {len(seen)}: write a word such as other into these cells of the table"
        )
    if len(folds) < 2:
        checks.add(
            f"{option} needs a column with two values or more; {column} has {len(folds)} "
            f"({listing(folds)})"
        )
        checks.raise_if_any()
    for what, side in (("of the value", "valid"), ("of the other values", "train")):
        few = [
            f"{value}: {have} {kind}"
            for value, fold in folds.items()
            for kind, have in _counts(cohort, getattr(fold, side))
            if have < _FEWEST
        ]
        if few:
            checks.add(
                f"{option} needs {_FEWEST} positive and {_FEWEST} negative patients {what}; these "
                f"of {column} have fewer: {listing(few)}. Write one word for several values into a "
                "new column of the table"
            )
    checks.raise_if_any()


def with_folds_by(cohort: Cohort, text: pd.Series, most: int, seed: int, option: str) -> Cohort:
    """A cohort whose folds leave out the values of a column, each alone or several together.

    Args:
        cohort: The cohort.
        text: (num_images,), the cells of the column, named by it.
        most: Most folds. Of more values some are left out together, drawn so that folds are alike
            in size and in their shares of each finding.
        seed: Seed of this draw.
        option: The option that names the column.

    Raises:
        InputError: Naming all values that are missing or have too few patients, each with what
            would be enough.
    """
    values, seen = values_of(cohort, text, option), seen_rows(cohort)
    names = values.iloc[seen].dropna().unique()
    if len(names) > most:
        known = seen[values.iloc[seen].notna().to_numpy(bool)]
        codes = pd.factorize(values.iloc[known])[0].astype(np.int64)
        parts = draw_parts(cohort.labels[known], codes, np.full(most, 1 / most), seed)
        part_of = dict(zip(values.iloc[known], parts, strict=True))
        together = {
            part: " + ".join(sorted(name for name, own in part_of.items() if own == part))
            for part in parts
        }
        values = values.map({name: together[part] for name, part in part_of.items()})
    require_learnable(cohort, str(text.name), leave_out(cohort, values), option)
    of_exam = pd.Series("", index=values.index, dtype=object)
    of_exam.iloc[seen] = values.iloc[seen]
    exams = pd.factorize(cohort.manifest["exam"])[0] if cohort.grouping.views > 1 else slice(None)
    manifest = cohort.manifest.assign(**{f"{FOLD_OF}{text.name}": of_exam.to_numpy(object)[exams]})
    return dataclasses.replace(cohort, manifest=manifest)


def num_patients(cohort: Cohort, rows: NDArray[np.int64]) -> int:
    """Number of patients among some examinations."""
    return len(np.unique(cohort.patients[rows]))


def _counts(cohort: Cohort, rows: NDArray[np.int64]) -> Iterator[tuple[str, int]]:
    """Patients of each class of each finding among some examinations."""
    for finding, labels in zip(cohort.findings.names, cohort.labels[rows].T, strict=True):
        of = "" if cohort.findings.is_one else f" for {finding}"
        for kind, label in (("positive", 1), ("negative", 0)):
            yield f"{kind}{of}", num_patients(cohort, rows[labels == label])
