"""Is it equally good for all? The largest gaps between values of a column, as a section."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.scored import is_scored
from trainable.errors import listing
from trainable.evaluation.gaps import FEWEST, Gap, largest_gaps
from trainable.evaluation.metrics import Metric
from trainable.report.covariates import MISSING, strata
from trainable.report.page import Section, Table

TITLE = "Is it equally good for all?"
_METRICS = ("AUC", "sensitivity", "specificity")
"""What a share of positives that differs between the values does not change, as it does an F1."""

_NO_COLUMN = "no column of age, sex, view or site was read"


def gaps_of(
    cohort: Cohort, scores: NDArray[np.float32], metrics: dict[str, Metric]
) -> list[list[Gap]]:
    """The largest gaps between the known values of each covariate, by finding.

    Args:
        cohort: Labelled images, with their covariates.
        scores: (num_exams, num_findings), out-of-fold scores; NaN where never scored.
        metrics: `Winner.metrics`.
    """
    scored = cohort.scored(scores)
    columns: pd.DataFrame = cohort.covariates[is_scored(scores)]
    by_column: dict[str, dict[str, NDArray[np.bool_]]] = {}
    for column, value, rows in strata(columns):
        if value != MISSING:
            by_column.setdefault(column, {})[value] = rows
    return largest_gaps(scored, by_column, {name: metrics[name] for name in _METRICS})


def gaps_section(
    gaps: Sequence[Sequence[Gap]], findings: Findings, columns: pd.DataFrame
) -> Section:
    """The largest gaps, and the smallest ones that would show.

    Args:
        gaps: By finding.
        findings: What was asked of each examination.
        columns: The covariates.
    """
    if columns.empty:
        return Section(TITLE, [f"Not known: {_NO_COLUMN}."])
    if not any(gaps):
        return Section(TITLE, [f"Not known: {_TOO_FEW}."])
    words = [
        *_summary(gaps, findings),
        "A gap says what patients of a value get, whatever the reason: their images, their labels, "
        "or how ill they are.",
    ]
    if findings.is_one:
        return Section(TITLE, words, tables=[_table(gaps[0])])
    choices = [
        Section(name, tables=[_table(of_finding)])
        if of_finding
        else Section(name, [f"Not known: {_TOO_FEW}."])
        for name, of_finding in zip(findings.names, gaps, strict=True)
    ]
    return Section(TITLE, words, choices=choices)


_TOO_FEW = f"no column has two values with {FEWEST} positive and {FEWEST} negative patients each"


def fairness(gaps: Sequence[Sequence[Gap]], findings: Findings) -> str:
    """What the section says, in sentences for a paper; empty where nothing was compared."""
    return " ".join(_summary(gaps, findings)) if any(gaps) else ""


def _summary(gaps: Sequence[Sequence[Gap]], findings: Findings) -> Iterator[str]:
    every = [gap for of_finding in gaps for gap in of_finding]
    columns = listing(dict.fromkeys(gap.column for gap in every), most=20)
    yield (
        f"{listing(_METRICS)} at the threshold of the winner, out of fold, were compared between "
        f"the values of {columns}."
    )
    named = [
        f"{_of(name, findings)}{_words(gap)}"
        for name, of_finding in zip(findings.names, gaps, strict=True)
        for gap in of_finding
        if gap.is_shown
    ]
    smallest = [gap.smallest for gap in every]
    at = f"{min(smallest):.3f}"
    if max(smallest) > min(smallest):
        at += f" to {max(smallest):.3f}"
    if named:
        yield (
            f"{len(named)} of the {len(every)} largest gaps "
            f"{'has an interval' if len(named) == 1 else 'have intervals'} above 0, as one in 20 "
            f"has by chance: {'; '.join(named)}."
        )
        yield f"The smallest gaps that such a cohort would show are {at}."
    else:
        yield (
            f"None of the {len(every)} largest gaps is shown to be more than chance. There may be "
            f"some: the smallest that such a cohort would show are {at}."
        )


def _of(name: str, findings: Findings) -> str:
    return "" if findings.is_one else f"{name}, "


def _words(gap: Gap) -> str:
    return f"{gap.metric} of {gap.column}, lower at {gap.low} than at {gap.high} by {gap.gap}"


def _table(gaps: Sequence[Gap]) -> Table:
    frame = pd.DataFrame(
        [
            {
                "column": gap.column,
                "metric": gap.metric,
                "lowest": gap.low,
                "highest": gap.high,
                "largest gap": str(gap.gap),
                "smallest gap": f"{gap.smallest:.3f}",
                "compared": gap.num_values,
                "too few": gap.num_few,
            }
            for gap in gaps
        ]
    )
    return Table(
        frame,
        "The largest gap between two values, with a 95 % confidence interval by patient that holds "
        "for all pairs of values of the column together. Smallest gap: what such a cohort would "
        f"show with a power of 80 %. Too few: values with fewer than {FEWEST} patients of a class.",
    )
