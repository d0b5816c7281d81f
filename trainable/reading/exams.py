"""The examinations of a table: which columns say what images are of one, and what must hold."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import label_columns
from trainable.cohort.exams import Grouping
from trainable.errors import Checks, listing
from trainable.reading.columns import find_column, usual_column

NO_COLUMN = "none"
"""Given as --view-column: the images of an examination are taken in their order."""

_ASKED = {"exam": "which examination it is of", "view": "which view it is"}
_CALLED = {"exam": "an examination", "view": "a view"}


def find_grouping(
    raw: pd.DataFrame,
    views: int,
    exam_column: str | None,
    view_column: str | None,
    checks: Checks,
) -> Grouping:
    """The grouping that a table of labelled images has.

    The views are ordered by the sorted values of their column, so that a place is the same view in
    every examination.

    Args:
        raw: the table, all of it text.
        views: places in an examination.
        exam_column: as the user named it; found by its name if None.
        view_column: as the user named it; found by its name if None, and left out if "none".
        checks: given what cannot be found.
    """
    exam = find_column("exam", raw, exam_column, checks)
    by_order = view_column == NO_COLUMN and NO_COLUMN not in raw.columns
    view = None if by_order else find_column("view", raw, view_column, checks)
    names = () if view is None else tuple(sorted(set(raw[view].str.strip()) - {""}))
    return Grouping(views, exam, view, names)


def same_grouping(grouping: Grouping, raw: pd.DataFrame, checks: Checks) -> Grouping:
    """The same grouping of another table, whose columns may be called otherwise."""
    return replace(
        grouping,
        exam_column=_same_column("exam", grouping.exam_column, raw, checks),
        view_column=_same_column("view", grouping.view_column, raw, checks),
    )


def _same_column(
    kind: Literal["exam", "view"], name: str | None, raw: pd.DataFrame, checks: Checks
) -> str | None:
    if name is None or name in raw.columns:
        return name
    found = usual_column(kind, raw)
    if found is None:
        checks.add(
            f"the table must say of every image {_ASKED[kind]}, in a column {name!r} as in the "
            f"search; it has {listing(raw.columns)}"
        )
    return found


def read_exams(
    grouping: Grouping, raw: pd.DataFrame, images: pd.Series, checks: Checks
) -> pd.DataFrame:
    """The columns `exam`, and `view` where there is one, as they are in a table."""
    columns = {"exam": grouping.exam_column, "view": grouping.view_column}
    read = pd.DataFrame(
        {kind: raw[column].str.strip() for kind, column in columns.items() if column}
    )
    for kind in read:
        empty = images[read[kind] == ""]
        if len(empty):
            checks.add(f"every image must have {_CALLED[str(kind)]}; without: {listing(empty)}")
    return read


def places_of(grouping: Grouping, table: pd.DataFrame, checks: Checks) -> NDArray[np.int64]:
    """The place of each image among the views of its examination, 0 for the first.

    Args:
        grouping: with the views and their order.
        table: the columns `exam`, and `view` where the grouping has a column of views.
        checks: given each rule that is broken: an image has a place of its own, and there
            are no more than `views` of them.
    """
    sizes = table.groupby("exam", sort=False).size()
    many = [f"{exam} ({size})" for exam, size in sizes.items() if size > grouping.views]
    if many:
        checks.add(
            f"an examination may have {grouping.views} images, as --views says; with more: "
            f"{listing(many)}"
        )
    if grouping.view_column is None:
        # each takes the next place
        return np.asarray(table.groupby("exam").cumcount(), dtype=np.int64)
    _check_views(grouping, table, checks)
    return np.asarray(pd.Index(grouping.names).get_indexer(pd.Index(table["view"])), dtype=np.int64)


def _check_views(grouping: Grouping, table: pd.DataFrame, checks: Checks) -> None:
    column = grouping.view_column
    by_order = f"search with --view-column {NO_COLUMN}, for the order in the table"
    if len(grouping.names) > grouping.views:
        checks.add(
            f"--views must be at least the number of views in {column!r}, {len(grouping.names)} "
            f"({listing(grouping.names)}); got {grouping.views}. Give more, or {by_order}"
        )
    unknown = sorted(set(table["view"]) - set(grouping.names))
    if unknown:
        checks.add(
            f"the views in {column!r} must be {', '.join(grouping.names)}; there are also: "
            f"{listing(unknown)}"
        )
    again = table.duplicated(["exam", "view"])
    if again.any():
        texts = (table["view"] + " of " + table["exam"])[again].unique()
        checks.add(
            f"an examination may have one image of each view in {column!r}; there are more: "
            f"{listing(texts)}. Leave them out, or {by_order}"
        )


def check_exams(table: pd.DataFrame, checks: Checks) -> None:
    """Add to `checks` each examination with two labels or two patients."""
    for column in (*label_columns(table), "patient"):
        counts = table.groupby("exam", sort=False)[column].nunique()
        mixed = counts.index[counts > 1]
        if len(mixed):
            checks.add(
                f"an examination must have one {column.replace(':', ' of ')}; with more: "
                f"{listing(mixed)}. Fix "
                "them, or name a column with --exam-column that tells examinations apart"
            )
