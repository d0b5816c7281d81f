"""One column of the images of a run: kept with its cohort, in DICOM files, or in its table."""

from pathlib import Path

import pandas as pd

from trainable.cohort.cohort import Cohort
from trainable.cohort.covariates import PREFIX, manifest_columns
from trainable.errors import Checks, InputError, did_you_mean, listing
from trainable.reading.data_sets import find_data_set, with_images
from trainable.reading.dicom_columns import is_dicom_column, with_dicom_columns
from trainable.reading.options import DataOptions
from trainable.reading.places import Places
from trainable.reading.tables import read_table


def read_column(cohort: Cohort, column: str, table: Path | None, option: str) -> pd.Series:
    """The text of a column for each image of a cohort, in the order of the manifest.

    Args:
        cohort: The cohort.
        column: A covariate of the cohort, `dicom:KEYWORD`, or any other column of the table.
        table: Table that the cohort was read from; None if it was a folder of class folders.
        option: The option that names the column.

    Raises:
        InputError: If there is no such column, the table is not there or no longer lists some
            image, or an image has two values.
    """
    manifest = cohort.manifest
    if f"{PREFIX}{column}" in manifest:
        return manifest[f"{PREFIX}{column}"].rename(column)
    if is_dicom_column(column):
        checks, named = Checks(), {path: Path(path) for path in manifest["path"]}
        found = with_dicom_columns(manifest, "path", [column], Places([], "", named), checks)
        checks.raise_if_any()
        return found[column]
    return _in_table(cohort, column, table, option)


def table_of(data: DataOptions) -> Path | None:
    """The table that a cohort is read from; None if it is a folder."""
    found = (data.data or Path()).expanduser()
    return None if found.is_dir() else found


def _in_table(cohort: Cohort, column: str, table: Path | None, option: str) -> pd.Series:
    kept = [name.removeprefix(PREFIX) for name in manifest_columns(cohort.manifest)]
    if table is None or not table.is_file():
        where = "the data are a folder without a table" if table is None else f"{table} is gone"
        kept_text = f"those kept are {listing(kept)}" if kept else "none is kept"
        raise InputError(
            f"{option} must name a column that is kept with the run, or one of its table, or "
            f"dicom:KEYWORD (got {column}); {kept_text}, and {where}: put the table back, or run "
            "the command where the search was run"
        )
    raw, _ = read_table(table, "--data")
    data_set = find_data_set(raw)
    if data_set is not None:
        raw = with_images(raw, data_set, table)
    if column not in raw:
        known = dict.fromkeys([*kept, *map(str, raw.columns)])
        raise InputError(
            f"{option} must name a column of the table {table}, or dicom:KEYWORD; {column!r} is "
            f"not; {did_you_mean(column, known)}"
        )
    image = cohort.found_by.get("image", "")
    if image not in raw:
        raise InputError(
            f"{option} finds the images of {table} by the column {image!r}, which it had when the "
            "search read it: put the column back"
        )
    different = raw.drop_duplicates([image, column])
    twice = different.loc[different[image].duplicated(), image]
    names, listed = cohort.manifest["image"], set(different[image])
    checks = Checks()
    if len(twice := twice[twice.isin(names)]):
        checks.add(
            f"{option} needs one value per image; {column} has several of "
            f"{listing(dict.fromkeys(twice))}: keep one"
        )
    if absent := [name for name in names if name not in listed]:
        checks.add(
            f"{option} needs a row for each image of the run; {table} no longer lists "
            f"{len(absent)}: {listing(absent)}. Put the rows back"
        )
    checks.raise_if_any()
    of_image = different.set_index(image)[column]
    return of_image.loc[names].reset_index(drop=True)
