"""Which column of a user's table holds what."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd

from trainable.errors import Checks, did_you_mean, listing
from trainable.images.endings import SUFFIXES

Kind = Literal["image", "label", "patient", "exam", "view", "age", "sex", "site"]

COLUMN_NAMES = {
    "image": ("image", "filename", "file", "path", "name", "img", "imageid", "imageindex",
              "imagepath", "imagename", "imagefile", "dicomid"),
    "label": ("label", "died", "output", "death", "target", "class", "outcome", "y", "mortality",
              "deceased", "survival", "survived", "diagnosis", "findinglabels", "finding"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid", "patientnumber",
                "deidpatientid", "anonpatientid", "participant", "participantid", "person",
                "personid", "mrn", "medicalrecordnumber", "recordid", "caseid"),
    "exam": ("exam", "examid", "examination", "examinationid", "study", "studyid", "studyuid",
             "studyinstanceuid", "accession", "accessionnumber"),
    "view": ("view", "viewposition", "projection"),
    "age": ("age", "patientage", "ageyears", "ageinyears", "ageatstudy", "ageatscan"),
    "sex": ("sex", "gender", "patientsex", "patientgender"),
    "site": ("site", "hospital", "center", "centre", "institution", "institutionname", "clinic"),
}  # fmt: skip
"""Column names found by themselves, lower case without punctuation, by preference."""


def plain_name(column: object) -> str:
    """The name of a column in small letters, without blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", str(column).lower())


def may_hold(kind: Kind, table: pd.DataFrame) -> list[str]:
    """All columns with a usual name of this kind."""
    return [str(name) for name in table.columns if plain_name(name) in COLUMN_NAMES[kind]]


def _all_usual(kind: Kind, table: pd.DataFrame, before: str | None = None) -> list[list[str]]:
    """The columns with usual names, by preference; those whose names are nearly the same together.

    That of the search comes first.
    """
    names = dict.fromkeys([*([] if before is None else [plain_name(before)]), *COLUMN_NAMES[kind]])
    plain = [(plain_name(column), str(column)) for column in table.columns]
    found = ([column for one, column in plain if one == name] for name in names)
    return [*filter(None, found)]


def _usual(kind: Kind, table: pd.DataFrame, before: str | None = None) -> list[str]:
    """The columns that have the first of the usual names that is there."""
    return next(iter(_all_usual(kind, table, before)), [])


def usual_column(kind: Kind, table: pd.DataFrame) -> str | None:
    """The one column with a usual name of this kind; None where there is none, or several."""
    found = _usual(kind, table)
    return found[0] if len(found) == 1 else None


def find_column(
    kind: Kind,
    table: pd.DataFrame,
    asked: str | None,
    checks: Checks,
    *,
    before: str | None = None,
    has_option: bool = True,
) -> str | None:
    """The column that holds images, labels and so on; None (and a problem noted) if unclear.

    A table needs columns of images, labels and examinations. None comes back alone for others.

    Args:
        kind: What the column holds.
        table: The table.
        asked: As the user named the column; found by its name if None.
        checks: Given what cannot be found.
        before: The column of the search, which is tried first.
        has_option: Whether the command has an option to name the column.
    """
    if asked is not None:
        for name in (asked, asked.strip()):
            if name in table.columns:
                return name
        advice = did_you_mean(asked, map(str, table.columns))
        checks.add(f"--{kind}-column must be a column of the table; {asked!r} is not; {advice}")
        return None
    if before is not None and before in table.columns:
        return before
    advice = f"name it with --{kind}-column" if has_option else "rename the other"
    found = _usual(kind, table, before)
    if len(found) > 1:
        checks.add(f"one column must hold the {kind}s; it may be {listing(found)}; {advice}")
        return None
    if found:
        return found[0]
    if kind in ("image", "label", "exam"):
        advice = (
            f"name it with --{kind}-column"
            if has_option
            else (f"rename it to {before or COLUMN_NAMES[kind][0]!r}")
        )
        if any(Path(str(column)).suffix.lower() in SUFFIXES for column in table.columns):
            advice = "the first row must hold the names of the columns"
        checks.add(f"no column of {kind}s found among {listing(table.columns)}; {advice}")
    return None


def find_image_column(
    table: pd.DataFrame,
    asked: str | None,
    hold_any: Callable[[pd.Series], bool],
    checks: Checks,
    *,
    before: str | None = None,
    has_option: bool = True,
) -> str | None:
    """The column of images, by its name and its content; None (and a problem noted) if unclear.

    Of the columns with a usual name the first that names an image is taken: a column called image
    may hold a description. Where none does, a column of any name that does.

    Args:
        table: The table.
        asked: As the user named the column; found if None.
        hold_any: Whether a column names any image.
        checks: Given what cannot be found, and a note on a column that is passed over.
        before: The column of the search, which is tried first.
        has_option: Whether the command has an option to name the column.
    """
    usual = _all_usual("image", table, before)
    flat = [column for alike in usual for column in alike]
    found: list[str] = []
    if asked is None:
        found = next(filter(None, ([c for c in one if hold_any(table[c])] for one in usual)), [])
        if not found:
            others = [str(column) for column in table.columns if str(column) not in flat]
            found = [c for c in others if _may_name(table[c]) and hold_any(table[c])]
    if len(found) != 1:
        return find_column("image", table, asked, checks, before=before, has_option=has_option)
    if flat[:1] not in ([], found):
        checks.note(f"the column {flat[0]!r} names no image that is there; {found[0]!r} does")
    return found[0]


def _may_name(values: pd.Series) -> bool:
    """Whether there are so many values that they may be names: 0 and 1 may be files by chance."""
    return values.nunique() > max(2, len(values) / 4)
