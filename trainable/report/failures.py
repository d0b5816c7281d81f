"""Where it fails: how many are wrong, which of them surely so, and what they have in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.errors import num_of
from trainable.report.covariates import table_one
from trainable.report.page import Section, Table

TITLE = "Where it fails"
_NUM_NAMED = 5


@dataclass(frozen=True)
class Failures:
    """What the out-of-fold predictions of one finding are, against its labels.

    Attributes:
        name: Name of the finding, or class.
        labels: (num_exams,), 1 positive, 0 negative, -1 unknown or never scored.
        called: (num_exams,), whether predicted positive.
        by_all: (num_exams,), whether each trial of the team, by its own threshold, says the same.
        sureness: (num_exams,), how far the score is from the threshold.
        scores: (num_exams,).
        team_size: Trials of the team.
    """

    name: str
    labels: NDArray[np.int64]
    called: NDArray[np.bool_]
    by_all: NDArray[np.bool_]
    sureness: NDArray[np.float32]
    scores: NDArray[np.float32]
    team_size: int

    @property
    def groups(self) -> dict[str, NDArray[np.bool_]]:
        """Which examinations (num_exams,) are right, and which wrong."""
        positive, negative = self.labels == 1, self.labels == 0
        return {
            _FOUND: positive & self.called,
            _MISSED: positive & ~self.called,
            _RIGHT: negative & ~self.called,
            _ALARM: negative & self.called,
        }

    def sentences(self, unit: str) -> Iterator[str]:
        """How many are wrong, and how many of them surely so."""
        groups = self.groups
        counts = {name: int(rows.sum()) for name, rows in groups.items()}
        missed, alarms = counts[_MISSED], counts[_ALARM]
        positive, negative = counts[_FOUND] + missed, counts[_RIGHT] + alarms
        yield (
            f"{missed:,} of {num_of(positive, f'positive {unit}')} "
            f"{'is' if missed == 1 else 'are'} missed, and {alarms:,} of "
            f"{num_of(negative, f'negative {unit}')} {'is' if alarms == 1 else 'are'} called "
            "positive, out of fold."
        )
        if self.team_size > 1 and missed + alarms:
            wrong = groups[_MISSED] | groups[_ALARM]
            yield (
                f"{int((wrong & self.by_all).sum()):,} of these {missed + alarms:,} are wrong by "
                f"each of the {self.team_size} trials alone."
            )


_FOUND, _MISSED = "found positive", "missed positive"
_RIGHT, _ALARM = "right negative", "false alarm"


def failures_of(
    findings: Findings,
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    thresholds: Sequence[float],
    called: NDArray[np.bool_],
    by_member: NDArray[np.bool_],
    teams: Sequence[Sequence[int]],
) -> list[Failures]:
    """The failures of each finding.

    Args:
        findings: What was asked of each examination.
        labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        scores: The same shape, out of fold; NaN where never scored.
        thresholds: Threshold of each finding.
        called: The same shape, whether predicted positive.
        by_member: (num_members, num_exams, num_findings), whether each member predicts positive.
        teams: For each finding the rows of its team among the members.
    """
    scored = ~np.isnan(scores).any(axis=1)
    return [
        Failures(
            name,
            np.where(scored, labels[:, number], -1),
            called[:, number],
            (by_member[list(team), :, number] == called[:, number]).all(axis=0),
            np.abs(scores[:, number] - np.float32(thresholds[number])),
            scores[:, number],
            len(team),
        )
        for number, (name, team) in enumerate(zip(findings.names, teams, strict=True))
    ]


def failures_section(failures: Sequence[Failures], cohort: Cohort, *, with_names: bool) -> Section:
    """Counts, the surest wrong ones, and the covariates of right and wrong ones.

    Args:
        failures: By finding.
        cohort: Labelled images, with their covariates.
        with_names: Whether to name images.
    """
    if len(failures) == 1:
        return _section(TITLE, failures[0], cohort, with_names)
    return Section(TITLE, choices=[_section(one.name, one, cohort, with_names) for one in failures])


def failure_analysis(failures: Sequence[Failures], cohort: Cohort) -> str:
    """What the section says, in sentences for a paper."""
    unit, columns = cohort.grouping.unit, list(map(str, cohort.covariates))
    texts = [
        " ".join(one.sentences(unit)) if len(failures) == 1
        else f"{one.name}: {' '.join(one.sentences(unit))}"
        for one in failures
    ]  # fmt: skip
    if columns:
        texts.append(f"The report compares {', '.join(columns)} of the wrong ones with the others.")
    return " ".join(texts)


def _section(title: str, one: Failures, cohort: Cohort, with_names: bool) -> Section:
    words = list(one.sentences(cohort.grouping.unit))
    tables = []
    if with_names and (surest := _surest(one, cohort)) is not None:
        words.append("Look at the labels of the surest wrong ones first: some may be wrong.")
        tables.append(surest)
    columns, groups = cohort.covariates, one.groups
    if not columns.empty:
        known = one.labels >= 0
        shown = {name: rows[known] for name, rows in groups.items()}
        table = table_one(columns[known], shown, f"{cohort.grouping.unit}s")
        tables.append(Table(table.frame, "The covariates of right and wrong ones, as in table 1."))
    return Section(title, words, tables=tables)


def _surest(one: Failures, cohort: Cohort) -> Table | None:
    """The wrong ones that are the farthest from the threshold; None where all are right."""
    names = cohort.exams[cohort.grouping.column].to_numpy(object)
    found = [
        {
            cohort.grouping.unit: names[row],
            "wrong as": kind,
            "score": float(one.scores[row]),
            **({"by all trials": "yes" if one.by_all[row] else "no"} if one.team_size > 1 else {}),
        }
        for kind in (_MISSED, _ALARM)
        for row in _first(one.groups[kind], lambda rows: -one.sureness[rows])
    ]
    if not found:
        return None
    caption = f"The surest wrong ones of each kind, {_NUM_NAMED} at most."
    return Table(pd.DataFrame(found), caption)


def _first(
    rows: NDArray[np.bool_], key: Callable[[NDArray[np.int64]], NDArray[np.float32]]
) -> NDArray[np.int64]:
    numbers = np.flatnonzero(rows)
    return numbers[np.argsort(key(numbers), kind="stable")][:_NUM_NAMED]
