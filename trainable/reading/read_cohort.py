"""Read a cohort as users keep it: a table beside the images, or a folder of class folders."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from trainable.cohort.cohort import EXAM_COLUMNS, MANIFEST_COLUMNS, Cohort, label_columns
from trainable.cohort.covariates import manifest_columns
from trainable.cohort.exams import describe_missing
from trainable.cohort.words import same_value
from trainable.errors import Checks, InputError, listing, num_of
from trainable.images.endings import SUFFIXES
from trainable.images.pixels import check_readable
from trainable.reading.covariates import without_useless
from trainable.reading.dicom_columns import PATIENT
from trainable.reading.exams import check_exams, places_of
from trainable.reading.from_folders import read_folders
from trainable.reading.from_table import read_labelled_table
from trainable.reading.image_files import hash_files
from trainable.reading.options import DataOptions
from trainable.reading.patterns import find_in_names
from trainable.reading.several_rows import known_together


def read_cohort(source: DataOptions, num_folds: int = 0) -> Cohort:
    """Read the labelled images that `source` names, hashing every file.

    Args:
        source: What the user said of them.
        num_folds: Of a search: beside other problems, too few patients for them are one too.

    Raises:
        InputError: naming every missing file, column, class or patient.
    """
    checks = Checks()
    if source.data is None:
        raise InputError("name the labelled images with --data: a table, a folder, or demo")
    if source.patient_pattern and source.patient_column:
        checks.add("--patient-pattern and --patient-column both find the patients: drop one")
    data = source.data.expanduser()
    if data.is_dir():
        read = read_folders(data.resolve(), source, checks)
    elif data.is_file():
        read = read_labelled_table(data.resolve(), source, checks, num_folds)
    else:
        is_there = "no file and no folder" if data.exists() else "not found"
        raise InputError(
            f"--data must be a table, a folder of class folders, or demo; {is_there}: {data}"
        )
    if checks.problems:
        check_readable([path for path in read.table["path"] if path], checks)
    checks.raise_if_any()
    assert read.rules  # else there was a problem
    table, grouping = read.table, read.grouping
    found_by = dict(read.found_by)
    if source.patient_pattern:
        found_by["patient_pattern"] = source.patient_pattern
    table["patient"] = _patients(table, found_by.get("patient_pattern"), checks)
    checks.note(*_alike_patients(table["patient"].dropna()))
    before, after = MANIFEST_COLUMNS[:2], MANIFEST_COLUMNS[3:]
    columns = [*before, *label_columns(table), *after]
    if grouping.views > 1:
        table["view"] = places_of(grouping, table, checks)
        table = known_together(table, table["exam"])
        check_exams(table, checks)
        columns += EXAM_COLUMNS
    checks.raise_if_any()
    table["sha256"] = hash_files(table["path"])
    if table["patient"].isna().all():
        table["patient"] = _own_patients(table, read.may_hold_patients, checks)
    table = without_useless(table, checks)
    columns += manifest_columns(table)
    cohort = Cohort(table[columns].reset_index(drop=True), read.rules, (), grouping, found_by)
    if grouping.views > 1:
        checks.note(describe_missing(cohort.exam_images, grouping))
    notes, unused = tuple(checks.notes), tuple(checks.unused)
    return dataclasses.replace(cohort, notes=notes, unused=unused, left_out=read.left_out)


def _patients(table: pd.DataFrame, pattern: str | None, checks: Checks) -> pd.Series:
    if pattern is None:
        if "patient" in table:
            return table["patient"]
        return pd.Series([None] * len(table), index=table.index, dtype=object)
    found = checks.attempt(
        lambda: find_in_names(pattern, list(table["image"]), "--patient-pattern")
    )
    if found is None:
        return table["image"]
    without = [name for name, patient in zip(table["image"], found, strict=True) if not patient]
    if without:
        checks.add(
            f"--patient-pattern must find a patient in every file name; {pattern!r} finds none in "
            f"{len(without)}: {listing(without)}"
        )
    checks.note(f"patients from file names: {len(set(found))} for {len(found)} images")
    return pd.Series(found, index=table.index)


def _alike_patients(patients: pd.Series) -> Iterator[str]:
    """A sentence on patients that may be one: `P1` and `p1`, `7` and `007`."""
    spellings = patients.drop_duplicates().groupby(patients.map(same_value))
    alike = [" and ".join(same) for _, same in spellings if len(same) > 1]
    if alike:
        yield (
            f"patients with nearly the same name count as different ones ({len(alike)}): "
            f"{listing(alike)}; if they are the same, write their names alike"
        )


def _own_patients(table: pd.DataFrame, columns: Sequence[str], checks: Checks) -> pd.Series:
    """Patients where none are known, and a note on what may hold them."""
    are_dicom = not any(Path(path).suffix.lower() in SUFFIXES for path in table["path"])
    options = f"--patient-column{f' {PATIENT}' * are_dicom} or --patient-pattern"
    if columns:
        named = listing([repr(column) for column in columns])
        checks.note(
            f"values come again in {named}: if this holds the patients, "
            f"use --patient-column {shlex.quote(columns[0])}"
        )
    if "exam" in table:
        checks.note(
            f"no patients given ({options}): every examination counts "
            "as its own patient, so two of one patient may fall on both sides of a fold"
        )
        return table["exam"]
    checks.note(
        f"no patients given ({options}): every image counts as its own "
        "patient, so two images of one patient may fall on both sides of a fold"
    )
    first = table.groupby("sha256")["image"].transform("first")
    same = int((first != table["image"]).sum())
    if same:
        checks.note(
            f"{num_of(same, 'image repeats', 'images repeat')} another's content: kept on one "
            "side of every fold"
        )
    return first
