"""The patients of new images: in a table, in their names, in DICOM files."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trainable.cohort.cohort import Cohort
from trainable.errors import Checks
from trainable.reading.dicom_columns import patients_in
from trainable.reading.names import ImageNames
from trainable.reading.read_cohort import find_patient


def known_patients(
    names: Sequence[str],
    paths: Sequence[str],
    folders: Sequence[Path],
    cohort: Cohort,
    checks: Checks,
) -> list[pd.Series]:
    """Patients by the pattern of the search, and in DICOM files, where some are found."""
    before = cohort.found_by
    found = [patients_in(paths, before.get("patient"), checks)]
    if pattern := before.get("patient_pattern"):
        regex = re.compile(pattern)
        inside = [_inside(Path(path), folders) for path in paths]
        by_name = [
            find_patient(regex, name) or find_patient(regex, path)
            for name, path in zip(names, inside, strict=True)
        ]
        found.insert(0, pd.Series(by_name, dtype=object))
    return [one for one in found if one.any()]


def _inside(path: Path, folders: Sequence[Path]) -> str:
    """The path of a file in the folder that it is in."""
    inside = (path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return next(inside, Path(path.name)).as_posix()


def listed_values(asked: pd.Series, listed: pd.DataFrame, unit: str, column: str) -> pd.Series:
    """A column of the list of images or examinations, for each row to write."""
    if unit == "exam":
        return listed.set_index(unit)[column].reindex(asked).reset_index(drop=True)
    matcher = ImageNames(Path("/"), zip(listed["image"], listed["image"], strict=True))
    values = dict(zip(listed["image"], listed[column], strict=True))
    found = [matcher.find(str(name)) for name in asked]
    return pd.Series([values.get(names[0], "") if names else "" for names in found])
