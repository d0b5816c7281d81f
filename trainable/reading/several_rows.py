"""Images that several rows of a table are about: a row per finding, per box or per reader."""

import pandas as pd

from trainable.cohort.cohort import label_columns
from trainable.cohort.covariates import PREFIX
from trainable.errors import Checks, listing, num_of

_OF_AN_IMAGE = ("patient", "exam", "view", "split")


def known_together(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """The table, where what is unknown in one row of a group is known from its other rows."""
    changed = {}
    for column in label_columns(table):
        highest = table.groupby(groups, sort=False)[column].transform("max")
        changed[column] = table[column].where(table[column] >= 0, highest)
    return table.assign(**changed)


def one_row_each(
    table: pd.DataFrame, checks: Checks, *, one_is_enough: bool = False
) -> pd.DataFrame:
    """One row per image, in the order of their first rows; rows that contradict each other stay.

    Args:
        table: Rows of a listing, with `path` where files were found, and the labels of a manifest
            where there are some.
        checks: Given notes on what was done.
        one_is_enough: Whether an image is positive if one of its rows is; else they must agree.
    """
    key = table["image"]
    if "path" in table:
        key = table["path"].where(table["path"] != "", key)
    if not key.duplicated().any():
        return table
    labels = label_columns(table)
    table = known_together(table, key)
    if one_is_enough:
        highest = table.groupby(key)[labels].transform("max")
        is_mixed = bool((highest != table[labels]).any(axis=None))
        table = table.assign(**highest)
    rows = table.groupby(key)
    columns = [column for column in (*labels, *_OF_AN_IMAGE) if column in table]
    agree = (rows[columns].transform("nunique") == 1).all(axis=1) if columns else True
    merged = table[~(key.duplicated() & agree)]
    num_images = key.nunique()
    if len(merged) == num_images:
        how = "each image counts once"
        if one_is_enough and is_mixed and len(labels) > 1:
            how = "each counts once: it has a finding if one of its rows has"
        elif one_is_enough and is_mixed:
            positive = int(merged["label"].sum())
            how = f"{positive} of them positive: an image is positive if one of its rows is"
        checks.note(f"{len(table)} rows for {num_images} images, {how}")
    for column in (str(one) for one in table if str(one).startswith(PREFIX)):
        differ = merged.loc[rows[column].transform("nunique") > 1, "image"]
        if len(differ):
            checks.note(
                f"the rows of {num_of(len(differ), 'image')} differ in "
                f"{column.removeprefix(PREFIX)}; the "
                f"first one counts: {listing(differ)}"
            )
    return merged.reset_index(drop=True)
