"""Columns that nobody asked for, and that a user should know are not read."""

import re
from collections.abc import Collection, Iterator

import pandas as pd

from trainable.cohort.words import UNKNOWN_WORDS, same_value
from trainable.errors import listing
from trainable.reading.columns import plain_name

_PURPOSES = frozenset(
    {
        *("exclude", "excluded", "include", "included", "ignore", "discard", "reject", "rejected"),
        *("quality", "imagequality", "qc", "usable", "useable", "unusable", "valid", "isvalid"),
        *("artifact", "artefact", "keep", "remove", "drop", "use", "eligible", "istest", "istrain"),
    }
)
_FOLDS = re.compile("(cv|k|kfold|split)?folds?(id|number|no)?")
_OF_PERSONS = re.compile(
    "id$|^id|no$|nr$|num$|number$|nummer$|code$|key$|mrn|upn|patient|subject|person|participant"
    "|individual|case"
)
_FILLED, _FEWEST, _LONGEST, _MOST_NAMED = 0.9, 3, 40, 3


def purposes_not_read(raw: pd.DataFrame, read: Collection[str]) -> Iterator[str]:
    """A sentence on each column that may say what rows are for: folds, exclusions, quality."""
    for column in (str(one) for one in raw.columns if one not in read):
        plain = plain_name(column)
        if _FOLDS.fullmatch(plain):
            counts = counted(raw[column])
            yield f"the column {column!r} ({counts}) is not read: folds are drawn anew"
        elif plain in _PURPOSES and raw[column].nunique() > 1:
            yield (
                f"the column {column!r} ({counted(raw[column])}) is not read, and all rows are "
                "used: if it says which to use, leave the others out of the table"
            )


def counted(values: pd.Series) -> str:
    """The values of a column with their counts, the most frequent first.

    >>> counted(pd.Series(["train", "train", ""]))
    'train 2, blank 1'
    """
    counts = values.value_counts()
    return listing((f"{value or 'blank'} {count}" for value, count in counts.items()), 5)


def may_hold_patients(raw: pd.DataFrame, read: Collection[str]) -> list[str]:
    """Columns whose values come again, so that they may hold the patients; the likeliest first.

    Args:
        raw: The rows that are used, one per image.
        read: Columns that are read.
    """
    found = []
    for column in (str(one) for one in raw.columns if one not in read):
        distinct = raw[column].unique()
        if not _FEWEST <= len(distinct) < len(raw):
            continue
        unknown = [value for value in distinct if same_value(value) in UNKNOWN_WORDS]
        values = raw[column][~raw[column].isin(unknown)]
        num_values, is_number = values.nunique(), values.str.fullmatch(r"[+-]?\d+([.,]\d*)?").all()
        plain = plain_name(column)
        if _FOLDS.fullmatch(plain) or plain in _PURPOSES:
            continue
        is_named_so = _OF_PERSONS.search(plain) is not None
        fewest = _FEWEST if is_named_so else max(_FEWEST, len(values) / 10)
        if (
            len(values) >= _FILLED * len(raw)
            and fewest <= num_values < len(values)
            and values.str.len().max() <= _LONGEST
            and (is_named_so or not is_number)
        ):
            found.append((not is_named_so, -num_values, column))
    return [column for *_, column in sorted(found)[:_MOST_NAMED]]
