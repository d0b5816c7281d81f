"""The rows that a prediction writes: those of a template, or one for each image."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.finding_columns import finding_columns
from trainable.cohort.findings import Findings
from trainable.cohort.words import UNKNOWN_WORDS, same_value
from trainable.errors import Checks, InputError, did_you_mean, listing
from trainable.reading.listing import Wanted
from trainable.reading.names import ImageNames
from trainable.reading.tables import read_table

PREDICTION = "prediction"
"""What is predicted of one finding, or of several classes."""


class RowsToWrite(NamedTuple):
    """The rows of the predictions file.

    Attributes:
        table: The template, or a column of images or examinations.
        name_column: Its column that names them.
        prediction_columns: Its columns that are filled in, by what is predicted there; see
            `what_is_predicted`.
    """

    table: pd.DataFrame
    name_column: str
    prediction_columns: Mapping[str, str]


def what_is_predicted(findings: Findings) -> tuple[str, ...]:
    """The columns of predictions: one, or one for each of several that can stand together."""
    return findings.names if findings.can_stand_together else (PREDICTION,)


def rows_to_write(
    listed: pd.DataFrame,
    template: Path | None,
    findings: Findings,
    wanted: Wanted,
    checks: Checks,
) -> RowsToWrite:
    """One row per image or examination, with the columns of their names and of predictions."""
    unit = wanted.grouping.column
    if template is None:
        rows = listed[[unit]]
        once = rows if unit == "image" else rows.drop_duplicates(ignore_index=True)
        found = RowsToWrite(once, unit, {one: one for one in what_is_predicted(findings)})
    else:
        if not template.is_file():
            raise InputError(f"--template must be a table; not found: {template}")
        table, notes = read_table(template, "--template")
        checks.note(*notes)
        found = _in_template(table, listed[unit], findings, wanted, checks)
        checks.raise_if_any()
    names = found.table[found.name_column]
    repeated = names[names.duplicated()]
    if len(repeated):
        checks.add(
            f"an {wanted.grouping.unit} may be asked for once; asked for again: {listing(repeated)}"
        )
    return found


def _in_template(
    table: pd.DataFrame, listed: pd.Series, findings: Findings, wanted: Wanted, checks: Checks
) -> RowsToWrite:
    """Which column of a template names the images, and which ones are to be filled in."""
    matcher = ImageNames(Path("/"), zip(listed, listed, strict=True))
    hits = {
        str(column): sum(bool(matcher.find(value)) for value in table[column])
        for column in table.columns
    }
    image_column = max(hits, key=lambda column: hits[column], default="")
    others = [str(column) for column in table.columns if column != image_column]
    to_fill: Mapping[str, str] = {}
    if not hits.get(image_column):
        checks.add(
            f"a column of the template must name the images; none of {listing(table.columns)} does"
        )
    elif not others:
        checks.add(
            f"the template needs a column for the predictions beside {image_column!r}; add one"
        )
    elif what_is_predicted(findings) != (PREDICTION,):
        to_fill = _of_findings(findings, others, checks)
    elif findings.exclusive and (per_class := finding_columns(findings.names, others, Checks())):
        checks.add(
            "one column of the template takes the name of the class; it has columns called as "
            f"classes ({listing(per_class.values())}): put one in their place, since the scores "
            "file has a column for each"
        )
    elif len(others) == 1:
        to_fill = {PREDICTION: others[0]}
    else:
        to_fill = {PREDICTION: wanted.column("label", table[others], checks) or ""}
    if findings.exclusive and (column := to_fill.get(PREDICTION)):
        checks.note(*_unseen_classes(findings, table[column]))
    return RowsToWrite(table, image_column, to_fill)


def _unseen_classes(findings: Findings, cells: pd.Series) -> Iterator[str]:
    """A sentence on classes that a template names and no search has seen; 0 or ? is no class."""
    seen = set(map(same_value, findings.names))
    plain = {str(cell): same_value(str(cell)) for cell in cells.unique()}
    unseen = [cell for cell, one in plain.items() if one not in seen | UNKNOWN_WORDS]
    if unseen and len(unseen) < len(plain):
        yield (
            f"the column {cells.name!r} of the template names classes that the search never saw, "
            f"and that are not predicted: {listing(sorted(unseen))}"
        )


def _of_findings(findings: Findings, columns: list[str], checks: Checks) -> Mapping[str, str]:
    """The columns of several findings, by their names; what has no place there is said."""
    found = finding_columns(findings.names, columns, checks)
    if not found:
        checks.add(
            f"a column of the template must be called as a finding; none of {listing(columns)} is; "
            f"{did_you_mean(listing(columns), findings.names)}"
        )
        return {}
    if lacking := [name for name in findings.names if name not in found]:
        checks.note(f"the template has no column of {listing(lacking)}; the scores file has all")
    if others := [column for column in columns if column not in found.values()]:
        checks.note(
            f"columns of the template stay as they are, being no finding: {listing(others)}"
        )
    return found
