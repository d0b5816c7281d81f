"""Several findings in a cell, such as `Effusion|Mass`."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from trainable.cohort.label_rule import bare
from trainable.cohort.words import UNKNOWN_WORDS, same_value

_SLASH = r"/(?!\d)"
_MARKS = (r"\|", ";", r",(?!\d)", _SLASH)
"""What may stand between two findings, by preference; a decimal comma and a date are none."""

_NO_FINDING = frozenset({"nofinding", "nofindings", "normal", "healthy", "negative", "none"})
"""Say, without blanks, that an image has no finding."""


def several_in_a_cell(labels: pd.Series) -> list[str]:
    """Labels that hold several findings, and are no names of classes with marks in them.

    They have a bar, or one of their findings is a label of its own.
    """
    cells = [str(cell) for cell in labels.unique()]
    plain = {same_value(cell) for cell in cells}
    return sorted(
        cell
        for cell in cells
        for parts in [[*_parts(cell, "|".join(_MARKS))]]
        if len(parts) > 1 and ("|" in cell or not plain.isdisjoint(map(same_value, parts)))
    )


def findings_in_cells(labels: pd.Series) -> list[str]:
    """All findings in the cells, in the most frequent spelling of each, by name.

    Words for no finding, and for not known, are none.
    """
    counts = labels.value_counts()
    cells = [str(cell) for cell in counts.index]
    mark = next((mark for mark in _MARKS if _divides(mark, cells)), _MARKS[0])
    spellings: dict[str, dict[str, int]] = {}
    for cell, count in zip(cells, counts, strict=True):
        for part in _parts(cell, mark):
            found = spellings.setdefault(same_value(part), {})
            found[part] = found.get(part, 0) + int(count)
    return [
        max(spellings[plain], key=spellings[plain].__getitem__)
        for plain in sorted(spellings)
        if plain not in UNKNOWN_WORDS and not says_no_finding(plain)
    ]


def _divides(mark: str, cells: Sequence[str]) -> bool:
    """Whether a mark stands between findings; Nodule/Mass is one, unless there is Mass alone."""
    plain = {same_value(bare(cell)) for cell in cells}
    several = [parts for cell in cells for parts in [[*_parts(cell, mark)]] if len(parts) > 1]
    if mark != _SLASH:
        return bool(several)
    return any(not plain.isdisjoint(map(same_value, parts)) for parts in several)


def says_no_finding(plain: str) -> bool:
    """Whether a label, as `same_value` writes it, says that there is no finding."""
    return re.sub(r"[\W_]", "", plain) in _NO_FINDING


def _parts(cell: str, marks: str) -> Iterator[str]:
    return filter(None, map(bare, re.split(marks, cell)))
