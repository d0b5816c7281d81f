"""Which column of a user's table holds what."""

import re
from typing import Literal

import pandas as pd

from trainable.errors import Problems, did_you_mean, listing

Kind = Literal["image", "label", "patient", "exam", "view"]

COLUMN_NAMES = {
    "image": ("image", "filename", "file", "path", "name", "img", "imageid", "imageindex",
              "imagepath", "imagename", "imagefile"),
    "label": ("label", "died", "output", "death", "target", "class", "outcome", "y", "mortality",
              "deceased"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid", "patientnumber"),
    "exam": ("exam", "examid", "examination", "examinationid", "study", "studyid", "studyuid",
             "studyinstanceuid", "accession", "accessionnumber"),
    "view": ("view", "viewposition", "projection"),
}  # fmt: skip
"""Column names found by themselves, lower case without punctuation, by preference."""


def find_column(
    kind: Kind,
    table: pd.DataFrame,
    asked: str | None,
    problems: Problems,
) -> str | None:
    """The column that holds images, labels and so on; None (and a problem noted) if unclear.

    No column of patients or views is no problem: None comes back alone.
    """
    if asked is not None:
        if asked in table.columns:
            return asked
        advice = did_you_mean(asked, map(str, table.columns))
        problems.add(f"--{kind}-column must be a column of the table; {asked!r} is not; {advice}")
        return None
    plain = {re.sub(r"[^a-z0-9]", "", str(column).lower()): column for column in table.columns}
    found = [plain[name] for name in COLUMN_NAMES[kind] if name in plain]
    if found:
        return str(found[0])
    if kind not in ("patient", "view"):
        problems.add(
            f"no column of {kind}s found among {listing(table.columns)}; name it with "
            f"--{kind}-column"
        )
    return None
