"""True labels of new images: read by the rules of the search, finding by finding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.finding_columns import finding_columns
from analysis.new_images import NewImages
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import REST, Judged, LabelRule
from trainable.cohort.scored import Scored
from trainable.errors import Checks, InputError, did_you_mean, listing
from trainable.reading.exams import same_grouping
from trainable.reading.listing import Wanted
from trainable.reading.tables import read_table

_UNKNOWN_TRAINING = (
    "this exported team does not know its training images, so none is looked for among these; "
    "export it with --keep-identifiers to find them"
)


@dataclass(frozen=True)
class TrueLabels:
    """True labels and patients of the new images.

    Attributes:
        labels: (num_judged, num_findings), 1 positive, 0 negative, -1 unknown.
        patients: (num_judged,), rows of one patient share a number.
        rows: (num_judged,), numbers of the rows that were written, all but those whose labels are
            left out as in the search.
        names: (num_rows,), those patients, where the table of labels has them; else None.
        notes: Remarks on how the labels were read.
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    rows: NDArray[np.int64]
    names: pd.Series | None = None
    notes: tuple[str, ...] = ()

    def scored(self, scores: NDArray[np.float32]) -> Scored:
        """With the scores (num_rows, num_findings) of the images."""
        return Scored(self.labels, self.patients, scores[self.rows])

    def without(self, rows: NDArray[np.bool_]) -> "TrueLabels | None":
        """Those of the other rows, by their numbers then; None where none of them has a label.

        Args:
            rows: (num_rows,), rows that are no longer predicted.
        """
        kept = ~rows[self.rows]
        if not kept.any():
            return None
        return replace(
            self,
            labels=self.labels[kept],
            patients=self.patients[kept],
            rows=(np.cumsum(~rows) - 1)[self.rows[kept]],
            names=None if self.names is None else self.names[~rows].reset_index(drop=True),
        )


class _Column(NamedTuple):
    """A column of labels.

    Attributes:
        number: Which of the findings it is of; 0 where there is one column.
        name: Its name.
        rule: How it is read.
    """

    number: int
    name: str
    rule: LabelRule


def table_of_labels(csv: Path) -> pd.DataFrame:
    """The table of the labels, as text.

    Raises:
        InputError: If there is none.
    """
    if not csv.is_file():
        raise InputError(f"--labels must be a table; not found: {csv}")
    return read_table(csv, "--labels").rows


def read_true_labels(csv: Path, new: NewImages, cohort: Cohort) -> TrueLabels:
    """Labels and patients of the new images or examinations, from a table in any order.

    The labels are read by the rules of the search. Patients come from the table of the labels, else
    from the table that lists the images. Without either, each image or examination counts as its
    own patient. A finding that the table lacks is unknown of all.

    Raises:
        InputError: naming images without a label or with two labels, and unknown labels.
    """
    wanted = Wanted(cohort.grouping, cohort.found_by)
    checks = Checks()
    raw = table_of_labels(csv)
    name_column = _name_column(raw, new, wanted, checks)
    several = len(cohort.label_rules) > 1
    columns = (_columns_of_findings if several else _one_column)(raw, csv, cohort, wanted, checks)
    patient_column = wanted.column("patient", raw, checks)
    checks.raise_if_any()
    # one row of the table for each row that was written, in their order
    places = new.rows_named(raw[name_column], checks)
    places = places[places >= 0]
    rows = raw.loc[places.index]
    chosen = [_one_row_each(rows, places, one, name_column, csv, new, checks) for one in columns]
    is_named = chosen[0][name_column].notna()
    without = new.table.loc[~is_named.to_numpy(), new.name_column]
    if len(without):
        unit = cohort.grouping.unit
        checks.add(f"--labels must name every {unit}; not in {csv}: {listing(without)}")
    judged = []
    for column, found in zip(columns, chosen, strict=True):
        judged.append(column.rule.judge(found.loc[is_named, column.name]))
        _check_labels(judged[-1], found[is_named], name_column, csv, column.rule, checks)
    labels = _in_columns(judged, columns, cohort)
    known = np.flatnonzero((labels >= 0).any(axis=1))
    if not len(known) and not checks.problems:
        names = listing(dict.fromkeys(column.name for column in columns))
        checks.add(f"some label must be known; all in {names} of {csv} are left out")
    checks.raise_if_any()
    patients = chosen[0][patient_column] if patient_column else None
    numbers = pd.factorize(new.groups if patients is None else patients)[0]
    notes = (*_lacking(csv, columns, cohort), *_remarks(judged, columns))
    return TrueLabels(
        labels[known],
        np.asarray(numbers, dtype=np.int64)[known],
        known,
        patients,
        (*notes, _UNKNOWN_TRAINING) if cohort.manifest.empty else notes,
    )


def _name_column(raw: pd.DataFrame, new: NewImages, wanted: Wanted, checks: Checks) -> str:
    """The column of images, or of examinations of several views."""
    if wanted.grouping.views == 1:
        return wanted.image_column(raw, new.are_named_in, checks) or ""
    return same_grouping(replace(wanted.grouping, view_column=None), raw, checks).exam_column or ""


def _one_column(
    raw: pd.DataFrame, csv: Path, cohort: Cohort, wanted: Wanted, checks: Checks
) -> list[_Column]:
    """The column of one finding, or of several classes."""
    [rule] = cohort.label_rules
    column = wanted.column("label", raw, checks) or ""
    asked = cohort.found_by.get("label", "label")
    if column and rule.may_be_opposite(column, asked):
        checks.add(
            f"labels must mean the same as in the search ({rule.classes[1]} is positive); the "
            f"column {column!r} of {csv} may say the opposite. Add a column {asked!r}"
        )
    return [_Column(0, column, rule)]


def _columns_of_findings(
    raw: pd.DataFrame, csv: Path, cohort: Cohort, wanted: Wanted, checks: Checks
) -> list[_Column]:
    """A column for each finding, or one whose cells name several: as in the search, or either.

    What is unknown is left out, also where the search had no such labels.
    """
    names, before = cohort.findings.names, cohort.found_by.get("label")
    rules = [
        replace(rule, missing=rule.missing or "drop", uncertain=rule.uncertain or "drop")
        for rule in cohort.label_rules
    ]
    own = {} if before in raw else finding_columns(names, raw.columns, checks)
    if own:
        return [
            _Column(number, own[name], _of_a_column(rule))
            for number, (name, rule) in enumerate(zip(names, rules, strict=True))
            if name in own
        ]
    unclear = Checks()
    column = wanted.column("label", raw, unclear)
    if column is None:
        checks.add(
            f"{csv} must have a column of a finding, or one of all findings (called "
            f"{before or 'label'!r}); it has {listing(raw.columns)}; "
            f"{did_you_mean(listing(raw.columns), names)}"
        )
        return []
    both = zip(names, rules, strict=True)
    return [_Column(n, column, _of_cells(rule, name)) for n, (name, rule) in enumerate(both)]


def _of_a_column(rule: LabelRule) -> LabelRule:
    """The rule for a column of one finding, where the search may have read cells of several."""
    if REST not in rule.classes:
        return rule
    return replace(rule, classes=("0", "1"), any_yes_or_no=True)


def _of_cells(rule: LabelRule, name: str) -> LabelRule:
    """The rule for cells that name several findings, where the search may have read columns."""
    if REST in rule.classes:
        return rule
    return replace(rule, classes=(REST, name), any_yes_or_no=False, has_limit=False)


def _one_row_each(
    rows: pd.DataFrame,
    places: pd.Series,
    column: _Column,
    name_column: str,
    csv: Path,
    new: NewImages,
    checks: Checks,
) -> pd.DataFrame:
    """The row of the table for each row that was written, by its number; NaN where there is none.

    As in the search, a row of no use says nothing beside another: the highest value comes first.
    `places` are the numbers of the rows that were written, one for each row of the table.
    """
    said = column.rule.judge(rows[column.name]).values
    counts = said[said >= 0].groupby(places).nunique()
    if (counts > 1).any() and not column.rule.one_row_is_enough:
        two = listing(rows.loc[places.isin(counts.index[counts > 1]), name_column].unique())
        unit = "image" if new.exam_images.shape[1] == 1 else "examination"
        checks.add(f"an {unit} must have one label in {csv}; with two: {two}")
    first = places[(-said).sort_values(kind="stable").index].drop_duplicates()
    return rows.loc[first.index].set_axis(first.to_numpy()).reindex(range(len(new.table)))


def _check_labels(
    judged: Judged,
    rows: pd.DataFrame,
    name_column: str,
    csv: Path,
    rule: LabelRule,
    checks: Checks,
) -> None:
    """Refuse labels that the search would not have taken, or took for no class."""
    label_column = str(judged.values.name)
    if judged.is_missing.any() and rule.missing is None:
        checks.add(
            f"labels must be known; without in {label_column} of {csv} "
            f"({int(judged.is_missing.sum())}): "
            f"{listing(rows.loc[judged.is_missing, name_column])}. Leave these out of --images"
        )
    others = rows.loc[judged.is_other, label_column]
    if len(others):
        known = f"one of {listing(rule.classes, 20)}"
        rest = "leave the cells blank" if rule.missing else "leave their images out of --images"
        checks.add(
            f"labels must be {known if rule.is_exclusive else ' or '.join(rule.classes)}, as in "
            f"the search; {label_column} also has {listing(sorted(set(others)))}: "
            f"write these so, or {rest}"
        )


def _in_columns(
    judged: Sequence[Judged], columns: Sequence[_Column], cohort: Cohort
) -> NDArray[np.int64]:
    """Labels (num_named, num_findings), -1 unknown, also of a finding without a column."""
    if cohort.findings.exclusive:
        numbers = judged[0].values.to_numpy()[:, None]
        is_class = (numbers == np.arange(len(cohort.findings))).astype(np.int64)
        return np.where(numbers < 0, -1, is_class)
    labels = np.full((len(judged[0].values), len(cohort.findings)), -1, np.int64)
    for column, one in zip(columns, judged, strict=True):
        labels[:, column.number] = one.values
    return labels


def _lacking(csv: Path, columns: Sequence[_Column], cohort: Cohort) -> Iterator[str]:
    """Which findings the table does not know of."""
    found = {column.number for column in columns}
    numbers = range(len(cohort.label_rules))
    if lacking := [cohort.findings.names[number] for number in numbers if number not in found]:
        yield f"{csv} has no column of {listing(lacking)}; the others are judged"


def _remarks(judged: Sequence[Judged], columns: Sequence[_Column]) -> Iterator[str]:
    """What became of missing and uncertain labels, of all findings that are read alike together."""
    alike: dict[tuple[str | None, str | None], list[int]] = {}
    for number, column in enumerate(columns):
        alike.setdefault((column.rule.missing, column.rule.uncertain), []).append(number)
    for numbers in alike.values():
        together = Judged(*map(pd.concat, zip(*(judged[n] for n in numbers), strict=True)))
        for remark in columns[numbers[0]].rule.remarks(together):
            yield f"{remark}, as in the search"
