"""The further columns of a table (age, sex, view, site), which may predict the label themselves."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from trainable.errors import Checks, did_you_mean, listing
from trainable.reading.columns import Kind, find_column
from trainable.reading.labels import UNKNOWN_WORDS

NO_COVARIATES = "none"
"""Given as --covariates: further columns are not read."""

_PREFIX = "covariate:"  # a column may be called as one of the manifest: view
_KINDS: tuple[Kind, ...] = ("age", "sex", "view", "site")
_MISSING = UNKNOWN_WORDS - {"none", "nil", "not applicable"}  # a finding may be none
_DICOM_AGE = re.compile(r"(\d{3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_MOST_CATEGORIES = 30
_MOST_SHOWN = 6
_FEWEST_NUMBERS = 6  # numbers of fewer values are codes


def asked_covariates(asked: str | None) -> list[str]:
    """The columns that `--covariates` names."""
    names = [name.strip() for name in (asked or "").split(",")]
    return [] if asked == NO_COVARIATES else [name for name in names if name]


def find_covariates(
    raw: pd.DataFrame, asked: str | None, taken: list[str], checks: Checks
) -> list[str]:
    """The further columns of a table: as asked, else those with the usual names.

    Args:
        raw: The table, with the columns that were read from DICOM files.
        asked: Names with commas between them; `none` for no column; found by their names if None.
        taken: Columns of images, labels, patients and examinations.
        checks: Given names that are no column, or are taken.
    """
    if asked is None:
        found = [find_column(kind, raw, None, Checks()) for kind in _KINDS]
        return [name for name in dict.fromkeys(found) if name and name not in taken]
    for name in asked_covariates(asked):
        if name in taken:
            checks.add(f"--covariates must name further columns; {name!r} is read as another")
        elif name not in raw:
            checks.add(
                f"--covariates must name columns of the table; {name!r} is not; "
                f"{did_you_mean(name, map(str, raw.columns))}"
            )
    return [name for name in dict.fromkeys(asked_covariates(asked)) if name in raw]


def require_no_covariates(asked: str | None, folder: Path, checks: Checks) -> None:
    """Refuse columns of a table where the images are in class folders."""
    if asked_covariates(asked):
        checks.add(f"--covariates {asked} names columns of a table; {folder} is a folder")


def as_manifest(raw: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The further columns, text as the user wrote it, under the names of the manifest."""
    return raw[names].rename(columns=lambda name: f"{_PREFIX}{name}")


def manifest_columns(table: pd.DataFrame) -> list[str]:
    """The further columns of a manifest."""
    return [name for name in table.columns if str(name).startswith(_PREFIX)]


def read_covariates(manifest: pd.DataFrame) -> pd.DataFrame:
    """The further columns under the user's names.

    Columns of numbers are float64 and the others object; what is not known is NaN.
    """
    columns = manifest_columns(manifest)
    return pd.DataFrame(
        {name.removeprefix(_PREFIX): _values(manifest[name]) for name in columns},
        index=manifest.index,
    )


def without_useless(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The table without further columns that can say nothing; the notes name all of them.

    Args:
        table: Manifest, with `patient`, and with `exam` where examinations have several views.
        notes: Given a sentence on the columns kept, and one on those left out.
    """
    values = read_covariates(table)
    useless = {name: _why_useless(values[name], table) for name in values}
    left_out = {name: why for name, why in useless.items() if why}
    kept = [_described(values[name]) for name in values if name not in left_out]
    if kept:
        notes.append(f"further columns, for the report: {', '.join(kept)}")
    if left_out:
        reasons = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        notes.append(f"further columns that are left out: {reasons}")
    return table.drop(columns=[f"{_PREFIX}{name}" for name in left_out])


def known_text(text: pd.Series) -> pd.Series:
    """The cells without blanks around them, NaN where they say that nothing is known."""
    stripped = text.str.strip()
    return stripped.where(~stripped.str.casefold().isin(_MISSING))


def _values(text: pd.Series) -> pd.Series:
    plain, known = text.str.strip().str.casefold(), known_text(text)
    numbers = pd.to_numeric(known.dropna().map(read_number), errors="coerce")
    if np.isfinite(numbers).all() and numbers.nunique() >= _FEWEST_NUMBERS:
        return numbers.reindex(text.index).astype("float64")
    first = known.groupby(plain).first()  # one spelling for M and m
    return plain.map(first).where(known.notna()).astype(object)


def read_number(value: str) -> str | float:
    """A number as pandas reads it; an age as DICOM writes it, in years."""
    age = _DICOM_AGE.fullmatch(value)
    return int(age[1]) / _PER_YEAR[age[2]] if age else value.replace(",", ".")


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
