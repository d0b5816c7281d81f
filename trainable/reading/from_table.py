"""Labelled images that a table lists."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from trainable.cohort.exams import ONE_IMAGE_EACH, Grouping
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.left_out import LeftOut
from trainable.cohort.words import UNKNOWN_WORDS, same_value
from trainable.errors import Checks, listing, num_of
from trainable.reading.columns import find_column, find_image_column, may_hold, plain_name
from trainable.reading.covariates import asked_covariates, find_covariates
from trainable.reading.data_sets import (
    KnownDataSet,
    find_data_set,
    label_columns_of,
    with_images,
    with_its_own,
    with_listed_split,
)
from trainable.reading.dicom_columns import is_dicom_column, with_dicom_columns
from trainable.reading.enough import check_enough
from trainable.reading.exams import find_grouping
from trainable.reading.label_columns import asked_by_name, find_label_columns
from trainable.reading.labels import Labels
from trainable.reading.labels_in_names import IN_NAME, labels_in_names
from trainable.reading.listing import folders_beside, listed_rows
from trainable.reading.options import DataOptions
from trainable.reading.own_split import find_split, sides_of, splits_in
from trainable.reading.places import NAME_FOLDER, Places, locate
from trainable.reading.several_labels import read_asked
from trainable.reading.several_rows import one_row_each
from trainable.reading.tables import read_table
from trainable.reading.unread_columns import may_hold_patients, purposes_not_read
from trainable.reading.unusable import usable_rows


@dataclass(frozen=True)
class LabelledImages:
    """What was read of a source.

    Attributes:
        table: One row per image: `image`, `path`, the columns of labels that a manifest has,
            `split`, and where they are known `patient`, `exam`, `view` and the covariates, as the
            user wrote them.
        rules: How the labels were read; none where that is a problem.
        grouping: Of the images into examinations.
        found_by: The columns of a table by what they hold, and the `patient_pattern` of a known
            data set, which finds the patient in a name.
        may_hold_patients: Columns that are not read, and may hold the patients.
        left_out: Images that are left out, as they are absent or damaged.
    """

    table: pd.DataFrame
    rules: tuple[LabelRule, ...]
    grouping: Grouping = ONE_IMAGE_EACH
    found_by: dict[str, str] = field(default_factory=dict)
    may_hold_patients: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def read_labelled_table(
    file: Path, source: DataOptions, checks: Checks, num_folds: int = 0
) -> LabelledImages:
    """Read a table of images and labels, and find the images; `num_folds` as in `read_cohort`."""
    raw, notes = read_table(file, "--data")
    checks.note(*notes)
    data_set = find_data_set(raw)
    if data_set is not None:
        raw = with_listed_split(with_images(raw, data_set, file), data_set, file)
        raw = _rows_of(raw, data_set, checks)
    places = _places(file, source)
    columns, label_columns = _find_columns(raw, source, data_set, places, checks)
    raw = _with_labels_in_names(raw, columns, source, checks)
    raw, left_out = _usable_rows(raw, columns.get("image"), places, source, checks)
    further = asked_covariates(source.covariates)
    wanted = (source.patient_column, source.exam_column, source.view_column, *further)
    raw = with_dicom_columns(raw, columns.get("image"), wanted, places, checks)
    grouping = _find_grouping(raw, source, checks)
    _check_options(source, checks)
    if "image" not in columns or not label_columns:
        checks.raise_if_any()
    labels = _read_labels(raw[label_columns], raw[columns["image"]], source, data_set, checks)
    values = labels.values if labels else pd.DataFrame({"label": -1}, raw.index)
    kept = raw
    if not checks.problems:  # otherwise images that are not there are reported for all rows
        kept = raw[(values >= 0).any(axis=1)]
    taken = [*columns.values(), *label_columns, grouping.exam_column or ""]
    covariates = find_covariates(raw, source.covariates, taken, checks)
    table = listed_rows(kept, columns, grouping, covariates, checks)
    found_by = _in_order(columns, label_columns)
    kinds = {**found_by, "exam": grouping.exam_column, "view": grouping.view_column, "split": None}
    used = [*filter(None, kinds.values()), *label_columns, *covariates]
    split = find_split(kept, source, used, checks)
    sides = sides_of(kept[split]) if split else ""
    table = table.join(values).assign(split=sides).reset_index(drop=True)
    _check_filled(table, kept.index, checks)
    table["path"] = locate(table["image"], places, checks)
    if labels and num_folds and checks.problems:
        known = raw.loc[kept.index, label_columns]
        check_enough(known, table, labels, num_folds, checks, is_asked=asked_by_name(source))
    kinds["split"] = split
    read = ", ".join(f"{kind} in {name!r}" for kind, name in kinds.items() if name)
    checks.notes.insert(0, f"columns: {read}; {labels.note if labels else ''}")
    checks.unused.extend(labels.unused if labels else ())
    used = [*used, *filter(None, [split])]
    checks.note(*purposes_not_read(kept, used))
    if not source.label_column and not (data_set and label_columns_of(data_set, raw)):
        checks.note(*_unread_labels(raw, used))
    if labels and not checks.problems:
        is_enough = all(rule.one_row_is_enough for rule in labels.rules)
        table = one_row_each(table, checks, one_is_enough=is_enough)
    found_by = {kind: column for kind, column in found_by.items() if column != IN_NAME}
    if data_set is not None and data_set.patient_pattern:
        found_by["patient_pattern"] = data_set.patient_pattern
    once = kept.drop_duplicates(columns["image"])
    maybe = [] if "patient" in columns else may_hold_patients(once, [*used, *splits_in(once)])
    rules = labels.rules if labels else ()
    return LabelledImages(table, rules, grouping, found_by, tuple(maybe), left_out)


def _usable_rows(
    raw: pd.DataFrame, column: str | None, places: Places, source: DataOptions, checks: Checks
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    if source.unusable != "drop" or column is None:
        return raw, ()
    return usable_rows(raw, column, places, checks)


def _find_grouping(raw: pd.DataFrame, source: DataOptions, checks: Checks) -> Grouping:
    if source.views == 1:
        return ONE_IMAGE_EACH
    return find_grouping(raw, source.views, source.exam_column, source.view_column, checks)


def _with_labels_in_names(
    raw: pd.DataFrame, columns: Mapping[str, str], source: DataOptions, checks: Checks
) -> pd.DataFrame:
    if not source.label_pattern or "image" not in columns:
        return raw
    labels = labels_in_names(source.label_pattern, raw[columns["image"]], checks)
    return raw.assign(**{IN_NAME: labels})


def _in_order(columns: Mapping[str, str], label_columns: Sequence[str]) -> dict[str, str]:
    """Columns by what they hold; findings in columns of their own have no column of labels."""
    label = label_columns[0] if len(label_columns) == 1 else None
    found = {"image": columns["image"], "label": label, "patient": columns.get("patient")}
    return {kind: column for kind, column in found.items() if column}


def _unread_labels(raw: pd.DataFrame, used: Collection[str]) -> Iterator[str]:
    for name in may_hold("label", raw):
        if name not in used:
            yield f"the column {name!r} is not read; if it holds the labels, use --label-column"


def _places(file: Path, source: DataOptions) -> Places:
    """Where the images of a table may be: as the user says, else beside it."""
    asked = [source.images.expanduser().resolve()] if source.images else folders_beside(file)
    return Places(asked, f"{NAME_FOLDER}, or their column with --image-column")


def _read_labels(
    raw: pd.DataFrame,
    images: pd.Series,
    source: DataOptions,
    data_set: KnownDataSet | None,
    checks: Checks,
) -> Labels | None:
    """The labels, as the user and then the data set say."""
    several_rows = False
    if data_set is not None:
        source, several_rows = with_its_own(source, data_set, raw), data_set.several_rows
    return read_asked(raw, images, source, checks, several_rows=several_rows)


def _check_options(source: DataOptions, checks: Checks) -> None:
    """Refuse options that would do nothing."""
    if source.label_pattern and source.label_column:
        checks.add("--label-pattern and --label-column both find the labels: drop one")
    if source.views == 1 and (source.exam_column or source.view_column):
        checks.add("--exam-column and --view-column group images only with --views of 2 or more")


def _check_filled(table: pd.DataFrame, numbers: pd.Index, checks: Checks) -> None:
    unnamed = numbers[(table["image"] == "").to_numpy()]
    if len(unnamed):
        rows = listing(number + 1 for number in unnamed)
        checks.add(f"every row must name its image; rows without a name: {rows}")
    if "patient" in table:
        is_unknown = table["patient"].map(same_value).isin(UNKNOWN_WORDS)
        if is_unknown.any():
            words = listing(sorted(set(table.loc[is_unknown, "patient"]) - {""}))
            checks.add(
                f"every image must have a patient{f' (got {words})' * bool(words)}; without "
                f"({int(is_unknown.sum())}): {listing(table.loc[is_unknown, 'image'])}. Give each "
                "such patient a name of its own, or drop the rows"
            )


def _find_columns(
    raw: pd.DataFrame,
    source: DataOptions,
    data_set: KnownDataSet | None,
    places: Places,
    checks: Checks,
) -> tuple[dict[str, str], list[str]]:
    """The columns of images and patients by what they hold, and those of labels.

    They are as asked, as the data set says, or found by their names.
    """
    plain = {plain_name(column): str(column) for column in raw.columns}
    usual = data_set or KnownDataSet("", frozenset())
    wanted = source.image_column or plain.get(usual.image or "")
    found = {"image": find_image_column(raw, wanted, places.hold_any, checks)}
    labels = find_label_columns(raw, source, data_set, checks)
    found["patient"] = source.patient_column
    if not is_dicom_column(source.patient_column):
        wanted = source.patient_column or plain.get(usual.patient or "")
        found["patient"] = find_column("patient", raw, wanted, checks)
    return {kind: column for kind, column in found.items() if column is not None}, labels


def _rows_of(raw: pd.DataFrame, data_set: KnownDataSet, checks: Checks) -> pd.DataFrame:
    """The rows of a known data set that are chest X-rays."""
    checks.note(f"read as {data_set.name}")
    if data_set.only is None:
        return raw
    plain, value = data_set.only
    column = next(column for column in raw.columns if plain_name(column) == plain)
    kept = raw[raw[column] == value].reset_index(drop=True)
    if len(kept) < len(raw):
        others = listing(sorted(set(raw[column]) - {value}))
        checks.leave_out(f"{num_of(len(raw) - len(kept), 'row')} of {column} {others} left out")
    return kept
