"""Which columns of a table hold the labels: one, or one per finding."""

import shlex
from collections.abc import Sequence

import pandas as pd

from trainable.cohort.words import same_value
from trainable.errors import Checks, listing
from trainable.reading.choice import choose, refuse_unknown
from trainable.reading.columns import find_column, may_hold
from trainable.reading.data_sets import KnownDataSet, label_columns_of
from trainable.reading.labels_in_names import IN_NAME
from trainable.reading.options import ALL, DataOptions


def asked_by_name(options: DataOptions) -> bool:
    """Whether the user names several findings: one that cannot be searched for is refused then."""
    is_list = "," in (options.label_column or "")
    return is_list or options.findings not in (None, ALL)


def find_label_columns(
    raw: pd.DataFrame, source: DataOptions, data_set: KnownDataSet | None, checks: Checks
) -> list[str]:
    """The columns of labels: as asked, as the data set says, by their name; none if unclear."""
    if source.label_pattern:
        return [IN_NAME]
    columns = [str(column) for column in raw.columns]
    asked = source.label_column
    if asked is not None and "," in asked and asked.strip() not in columns:
        found, unknown = choose(asked, columns)
        rule = "--label-column must be a column of the table"
        refuse_unknown(rule, asked, unknown, columns, checks)
        if source.findings is not None:
            checks.add(
                "--label-column names a column per finding, and --findings the findings in the "
                "cells of one column: drop one of them"
            )
        return [] if unknown else found
    own = label_columns_of(data_set, raw) if data_set else []
    if asked is None and len(own) > 1:
        return own if source.findings in (None, ALL) else _chosen(source, own, checks)
    if asked is None and source.findings is not None and not own and not may_hold("label", raw):
        named, _ = choose(source.findings, columns, same_value)
        checks.add(
            f"--findings is of findings in the cells of one column, and none of {listing(columns)} "
            "is known to hold labels: name it with --label-column; or give --label-column "
            f"{shlex.quote(','.join(named) or 'A,B')} alone, for a column per finding"
        )
        return []
    column = find_column("label", raw, asked or next(iter(own), None), checks)
    return [] if column is None else [column]


def _chosen(source: DataOptions, columns: Sequence[str], checks: Checks) -> list[str]:
    """Those columns of a known data set that --findings names."""
    asked = str(source.findings)
    found, unknown = choose(asked, columns, same_value)
    refuse_unknown("--findings must be findings of the table", asked, unknown, columns, checks)
    return [] if unknown else found
