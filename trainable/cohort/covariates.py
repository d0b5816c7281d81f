"""The covariates of a table (age, sex, view, site), which may predict the label themselves."""

import re

import numpy as np
import pandas as pd

from trainable.cohort.words import UNKNOWN_WORDS

PREFIX = "covariate:"
"""Before the name of a covariate in a manifest; the user may call one as those there: view."""

_MISSING = UNKNOWN_WORDS - {"none", "nil", "not applicable"}  # a finding may be none
_DICOM_AGE = re.compile(r"(\d{3})([DWMY])")
_LIMIT = re.compile(
    r"(?P<before>[<>]=?|[≤≥]|over|above|under|below|at least|at most)?\s*(?P<number>\d+([.,]\d+)?)"
    r"\s*((years?|yrs?|y)\.?\s*)?(of age\s*)?"
    r"(?P<after>\+|(or|and) (more|over|older|above|up|less|under|younger|below))?",
    re.IGNORECASE,
)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_MOST_GROUPS = 12  # of numbers, such as years
_FEWEST_NUMBERS = 6  # numbers of fewer values are codes


def manifest_columns(table: pd.DataFrame) -> list[str]:
    """The covariates of a manifest."""
    return [name for name in table.columns if str(name).startswith(PREFIX)]


def read_covariates(manifest: pd.DataFrame) -> pd.DataFrame:
    """The covariates under the user's names.

    Columns of numbers are float64 and the others object; what is not known is NaN.
    """
    columns = manifest_columns(manifest)
    return pd.DataFrame(
        {name.removeprefix(PREFIX): _values(manifest[name]) for name in columns},
        index=manifest.index,
    )


def thirds(numbers: pd.Series) -> pd.Series:
    """0, 1 or 2 for each number, by size; equal numbers are in one third."""
    first, second = numbers.quantile([1 / 3, 2 / 3])
    found = (numbers > first).astype(float) + (numbers > second)
    return found.where(numbers.notna())


def groups_of(text: pd.Series) -> pd.Series:
    """The values of a covariate to compare, as text: numbers of many values are cut into thirds.

    What is not known is NaN.
    """
    values = read_covariates(text.rename(f"{PREFIX}{text.name}").to_frame())[str(text.name)]
    if values.dtype == object:
        return values
    if (values.dropna() % 1 == 0).all() and values.nunique() <= _MOST_GROUPS:
        return values.map("{:g}".format, na_action="ignore").astype(object)
    parts = thirds(values)
    names = {
        part: f"{values[parts == part].min():g} to {values[parts == part].max():g}"
        for part in parts.dropna().unique()
    }
    return parts.map(names).astype(object)


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
    """A number as pandas reads it; an age as DICOM writes it, in years; of a limit its number."""
    age = _DICOM_AGE.fullmatch(value)
    if age:
        return int(age[1]) / _PER_YEAR[age[2]]
    return (_limit(value) or value).replace(",", ".")


def limits_in(text: pd.Series) -> pd.Series:
    """How often each cell comes that is a limit and no number, such as `90+`, `>89`, `85 or more`.

    HIPAA asks for ages of 90 and more to be written so.
    """
    known = known_text(text).dropna()
    return known[known.map(_limit).notna()].value_counts()


def _limit(value: str) -> str | None:
    """The number of a limit; None of any other text."""
    found = _LIMIT.fullmatch(value)
    return found["number"] if found and (found["before"] or found["after"]) else None
