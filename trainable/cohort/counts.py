"""How many examinations and patients are positive, negative and unknown of each finding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.terminal_cells import cell_len, fitted


class Counts(NamedTuple):
    """Numbers by what is known."""

    positive: int
    negative: int
    unknown: int


@dataclass(frozen=True)
class FindingCounts:
    """Counts of one finding or class.

    Attributes:
        name: The finding.
        exams: Of examinations.
        patients: Of patients. One with a positive and a negative examination is in both counts,
            and unknown is one of whom nothing is known.
    """

    name: str
    exams: Counts
    patients: Counts


def count_findings(
    findings: Findings, labels: NDArray[np.int64], patients: NDArray[np.int64]
) -> tuple[FindingCounts, ...]:
    """Counts of each finding.

    Args:
        findings: What is asked.
        labels: (num_exams, num_findings).
        patients: (num_exams,).
    """
    return tuple(
        FindingCounts(
            name,
            Counts(*(int((column == value).sum()) for value in (1, 0, -1))),
            _patients(column, patients),
        )
        for name, column in zip(findings.names, labels.T, strict=True)
    )


def _patients(column: NDArray[np.int64], patients: NDArray[np.int64]) -> Counts:
    positive, negative = (len(np.unique(patients[column == value])) for value in (1, 0))
    known = len(np.unique(patients[column >= 0]))
    return Counts(positive, negative, len(np.unique(patients)) - known)


_MOST = 26  # cells of a terminal for a name, so that a line has 80


def count_lines(
    findings: Findings, labels: NDArray[np.int64], patients: NDArray[np.int64], unit: str
) -> Iterator[str]:
    """A table of several findings or classes with their counts, at most 80 characters wide.

    Args:
        findings: What is asked.
        labels: (num_exams, num_findings).
        patients: (num_exams,).
        unit: What is labelled: image or examination.
    """
    rows = count_findings(findings, labels, patients)
    shown = 1 if findings.exclusive else 3
    heads = [f"{unit}s", "patients"] if shown == 1 else ["positive", "negative", "unknown"] * 2
    cells = [heads, *([f"{n:,}" for n in (*r.exams[:shown], *r.patients[:shown])] for r in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    names = (findings.kind, *findings.names)
    first = min(_MOST, max(map(cell_len, names)))
    if shown == 3:
        half = sum(widths[:3]) + 2
        yield f"{'':{first}}  {f'{unit}s':^{half}}  {'patients':^{half}}".rstrip()
    for name, row in zip(names, cells, strict=True):
        aligned = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        halves = (" ".join(half) for half in (aligned[:shown], aligned[shown:]))
        yield "  ".join([fitted(name, first), *halves])
