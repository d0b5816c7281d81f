"""Which column of a user's table is of which finding."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from trainable.errors import Checks, listing


def finding_columns(
    findings: Sequence[str], columns: Iterable[object], checks: Checks
) -> dict[str, str]:
    """The column of each finding that a table has, wherever it stands.

    A column is called as the finding, or so but for capitals, blanks and punctuation.

    >>> finding_columns(("Mass", "Pleural Effusion"), ("age", "pleural_effusion"), Checks())
    {'Pleural Effusion': 'pleural_effusion'}
    """
    names = [str(column) for column in columns]
    found = {finding: finding for finding in findings if finding in names}
    for finding in findings:
        taken = {_plain(other) for other in findings if other != finding}
        alike = [n for n in names if n not in found.values() and _plain(n) == _plain(finding)]
        if finding in found or not alike or _plain(finding) in taken:
            continue
        if len(alike) > 1:
            checks.add(f"one column must be of {finding}; it may be {listing(alike)}")
        found[finding] = alike[0]
    return {finding: found[finding] for finding in findings if finding in found}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).casefold())
