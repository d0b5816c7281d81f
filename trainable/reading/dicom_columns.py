"""Columns that DICOM files hold themselves: `dicom:PatientID`, `dicom:ViewPosition` and others."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from trainable.errors import Checks, InputError, are_not, did_you_mean, listing
from trainable.images.dicom import is_dicom, known_keywords, read_element
from trainable.images.endings import SUFFIXES
from trainable.reading.places import Places

PREFIX = "dicom:"
"""Before a keyword of DICOM, where the name of a column is asked for."""

PATIENT = f"{PREFIX}PatientID"


def is_dicom_column(name: str | None) -> bool:
    """Whether a name stands for an element of DICOM files, and not for a column of a table."""
    return name is not None and name.startswith(PREFIX)


def patients_in(paths: Sequence[str], column: str | None, checks: Checks) -> pd.Series:
    """The patient in each file, "" for files that are not DICOM or have none.

    Args:
        paths: Files of any kind.
        column: The column of patients of the search; PatientID is read if that is no element.
        checks: Given DICOM files that cannot be read.
    """
    element = column if column and is_dicom_column(column) else PATIENT
    dicom = [path if _is_dicom(path) else "" for path in paths]
    return _read_all(dicom, element.removeprefix(PREFIX), checks)


def with_dicom_columns(
    raw: pd.DataFrame,
    image_column: str | None,
    wanted: Iterable[str | None],
    places: Places,
    checks: Checks,
) -> pd.DataFrame:
    """The table, with a column for each of `wanted` that stands for an element of DICOM files.

    A cell is "" where the file lacks the element. Where there is a problem with the file, or the
    file is not found, the cell holds the name of the image, so that nothing else seems to be wrong.

    Args:
        raw: The table.
        image_column: Its column of images; None if there is none.
        wanted: Names of columns, of any kind.
        places: Where the images may be.
        checks: Given unknown keywords, and files that are not DICOM or cannot be read.
    """
    columns = [name for name in wanted if name and is_dicom_column(name) and name not in raw]
    if not columns or image_column is None:
        return raw
    images = raw[image_column]
    matched = places.match(list(images))
    paths = matched.paths if matched else [""] * len(images)
    others = [
        image for image, path in zip(images, paths, strict=True) if path and not _is_dicom(path)
    ]
    if others:
        checks.add(f"{listing(columns)} needs DICOM files; other files: {listing(others)}")
        return raw.assign(**{column: images for column in columns})
    is_found = pd.Series(paths, index=raw.index) != ""
    added = {column: images for column in columns}
    for column in columns:
        keyword = column.removeprefix(PREFIX)
        keywords = checks.attempt(known_keywords) or ()
        if keyword in keywords:
            found = _read_all(paths, keyword, checks).set_axis(raw.index)
            added[column] = found.where(is_found, images)
        elif keywords:
            checks.add(
                f"{column} must name an element of DICOM; {keyword!r} is unknown; "
                f"{did_you_mean(keyword, keywords)}"
            )
    return raw.assign(**added)


def _read_all(paths: Sequence[str], keyword: str, checks: Checks) -> pd.Series:
    """An element of each file; "" where there is none, or no path."""

    def read(path: str) -> str | InputError:
        try:
            return read_element(Path(path), keyword) if path else ""
        except InputError as error:
            return error

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(read, paths))
    failed = [one for one in found if isinstance(one, InputError)]
    if failed:
        checks.add(f"every DICOM file must be readable; {are_not(failed)}: {listing(failed)}")
    return pd.Series(["" if isinstance(one, InputError) else one for one in found], dtype=object)


def _is_dicom(path: str) -> bool:
    return Path(path).suffix.lower() not in SUFFIXES and is_dicom(Path(path))
