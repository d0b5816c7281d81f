"""Which covariates of a table are read: as asked, by their names, and if of any use."""

from collections.abc import Iterator, Mapping

import pandas as pd

from trainable.cohort.covariates import PREFIX, limits_in, read_covariates
from trainable.errors import Checks, did_you_mean, listing
from trainable.reading.columns import Kind, usual_column
from trainable.reading.options import NO_COVARIATES

_KINDS: tuple[Kind, ...] = ("age", "sex", "view", "site")
_MOST_CATEGORIES = 30
_MOST_SHOWN = 6


def asked_covariates(asked: str | None) -> list[str]:
    """The columns that `--covariates` names."""
    names = [name.strip() for name in (asked or "").split(",")]
    return [] if asked == NO_COVARIATES else [name for name in names if name]


def find_covariates(
    raw: pd.DataFrame, asked: str | None, taken: list[str], checks: Checks
) -> list[str]:
    """The covariates of a table: as asked, else those with the usual names.

    Args:
        raw: The table, with the columns that were read from DICOM files.
        asked: Names with commas between them; `none` for no column; found by their names if None.
        taken: Columns of images, labels, patients and examinations.
        checks: Given names that are no column, or are taken.
    """
    if asked is None:
        found = [usual_column(kind, raw) for kind in _KINDS]
        return [name for name in dict.fromkeys(found) if name and name not in taken]
    for name in asked_covariates(asked):
        if name in taken:
            checks.add(f"--covariates must name other columns; {name!r} is already in use")
        elif name not in raw:
            checks.add(
                f"--covariates must name columns of the table; {name!r} is not; "
                f"{did_you_mean(name, map(str, raw.columns))}"
            )
    return [name for name in dict.fromkeys(asked_covariates(asked)) if name in raw]


def as_manifest(raw: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The covariates, text as the user wrote it, under the names of the manifest."""
    return raw[names].rename(columns=lambda name: f"{PREFIX}{name}")


def without_useless(table: pd.DataFrame, checks: Checks) -> pd.DataFrame:
    """The table without covariates that can say nothing; the notes name all of them.

    Args:
        table: Manifest, with `patient`, and with `exam` where examinations have several views.
        checks: Given a sentence on the columns kept, and one on those left out.
    """
    values = read_covariates(table)
    useless = {name: _why_useless(values[name], table) for name in values}
    left_out = {name: why for name, why in useless.items() if why}
    kept = [_described(values[name]) for name in values if name not in left_out]
    if kept:
        checks.note(f"covariates, for the report: {', '.join(kept)}")
    used = [str(name) for name in values if name not in left_out]
    numbers = [name for name in used if values[name].dtype != object]
    checks.note(*limit_notes({name: table[f"{PREFIX}{name}"] for name in numbers}))
    if left_out:
        reasons = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        checks.note(f"covariates that are left out: {reasons}")
    return table.drop(columns=[f"{PREFIX}{name}" for name in left_out])


def limit_notes(numbers: Mapping[str, pd.Series]) -> Iterator[str]:
    """A sentence on each column of numbers, as text, some cells of which are limits."""
    for name, text in numbers.items():
        found = limits_in(text)
        if len(found):
            cells = listing(f"{cell} ({count})" for cell, count in found.items())
            yield f"{name} has cells that are limits, and each is read as its number: {cells}"


def _why_useless(values: pd.Series, table: pd.DataFrame) -> str:
    """Why a column is of no use, in a few words; "" if it is of use."""
    num_values = values.nunique()
    if num_values == 0:
        return "all missing"
    if num_values == 1 and values.notna().all():
        return "one value"
    if "exam" in table and (values.groupby(table["exam"]).nunique() > 1).any():
        return "differs within examinations"
    if values.dtype != object:
        return ""
    num_patients = table["patient"].nunique()
    if num_values > min(_MOST_CATEGORIES, num_patients / 2):
        return f"{num_values} different texts for {num_patients} patients"
    return ""


def _described(values: pd.Series) -> str:
    missing = f", {values.isna().sum()} missing" if values.isna().any() else ""
    if values.dtype == object:
        names = sorted(values.dropna().unique())
        text = listing(names) if len(names) <= _MOST_SHOWN else f"{len(names)} categories"
        return f"{values.name} ({text}{missing})"
    return f"{values.name} ({values.min():g} to {values.max():g}{missing})"
