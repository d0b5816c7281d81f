"""The split that a table has of its own: which rows are for training, validation and test."""

from collections.abc import Collection, Iterator

import pandas as pd

from trainable.errors import Checks, did_you_mean, listing
from trainable.reading.columns import plain_name
from trainable.reading.options import DataOptions
from trainable.reading.unread_columns import counted

SIDE_WORDS = {
    "train": ("train", "training", "trn"),
    "valid": ("val", "valid", "validate", "validation", "dev", "development", "tune", "tuning"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
}
"""What people call the sides of a split, as `plain_name` writes it; the usual word first."""

_SIDE_OF = {word: side for side, words in SIDE_WORDS.items() for word in words}
_COLUMNS = ("split", "set", "setid", "subset", "partition", "splits", "datasplit", "usage")


def find_split(
    raw: pd.DataFrame, source: DataOptions, read: Collection[str], checks: Checks
) -> str | None:
    """The column of the split that is kept; None, and a note on each column, where none is."""
    found = [column for column in splits_in(raw) if column not in read]
    if source.split_column is not None and source.split != "keep":
        checks.add("--split-column names the split that --split keep keeps: add it, or drop this")
    if source.split != "keep":
        if source.split is None:
            checks.note(*_notes(raw, found))
        return None
    asked = source.split_column
    if asked is not None and asked not in raw.columns:
        checks.add(
            f"--split-column must be a column of the table; {asked!r} is not; "
            f"{did_you_mean(asked, map(str, raw.columns))}"
        )
    elif asked is not None or len(found) == 1:
        column = asked or found[0]
        checks.add(*_problems(raw[column], column))
        return column
    elif found:
        checks.add(
            f"one column must hold the split; it may be {listing(found)}; name it with "
            "--split-column"
        )
    else:
        checks.add(
            "--split keep needs a column that says train, val or test of each row; none of "
            f"{listing(raw.columns)} does. Drop the option, or name the column with --split-column"
        )
    return None


def splits_in(raw: pd.DataFrame) -> list[str]:
    """Columns that say sides: of a usual name and with some, or with only sides, two of them."""
    return [str(column) for column in raw.columns if _says_sides(raw, str(column))]


def sides_of(values: pd.Series) -> pd.Series:
    """`train`, `valid` or `test` for each cell of a column of the split."""
    return values.map({value: _SIDE_OF.get(plain_name(value), "") for value in values.unique()})


def _says_sides(raw: pd.DataFrame, column: str) -> bool:
    is_usual = plain_name(column) in _COLUMNS
    if not is_usual and raw[column].nunique() > len(_SIDE_OF):
        return False
    sides = sides_of(raw[column])
    return bool((sides != "").any() if is_usual else (sides != "").all() and sides.nunique() > 1)


def _notes(raw: pd.DataFrame, columns: list[str]) -> Iterator[str]:
    for column in columns:
        named = "" if len(columns) == 1 else f" --split-column {column!r}"
        yield (
            f"the column {column!r} ({counted(raw[column])}) is not used, and all rows are "
            f"cross-validated together: keep this split with --split keep{named}"
        )


def _problems(values: pd.Series, column: str) -> Iterator[str]:
    sides = sides_of(values)
    if (sides == "").any():
        yield (
            f"--split keep needs train, val or test in each row of {column!r}; it also has "
            f"{counted(values[sides == ''])}. Fix them, or leave the rows out"
        )
    if "train" not in set(sides) or not set(sides) & {"valid", "test"}:
        yield (
            f"--split keep needs rows of train, and rows of val or test or both, in {column!r}; it "
            f"has {counted(values)}. Rename some, or cross-validate all together with --split merge"
        )
