"""Three answers on a page and in a terminal: what can be promised, and what came of it."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.evaluation.answers import (
    NO,
    UNDECIDED,
    YES,
    Answers,
    AnswerSteps,
    JudgedAnswer,
    Kind,
    Step,
    fewest_patients,
)
from trainable.report.page import Section, Table

TITLE = "Three answers"
_USUAL = {NO: (0.99, 0.98, 0.95, 0.9), YES: (0.95, 0.9, 0.8, 0.7)}
"""Promises that a page shows."""

_ABOUT = (
    'The lowest scores can be answered "no", and the highest "yes". A doctor decides on the '
    'others. A promised NPV of 0.98 says: at least 98 % of the patients who hear "no" are '
    'negative. A PPV says the same of those who hear "yes" and are positive.',
    "A promise holds with 95 % confidence, also though the trials and the thresholds were chosen "
    "by these patients. It is for patients like these: in another hospital it may be broken.",
    "cxr-predict --promise-npv 0.95 --promise-ppv 0.8 answers new images so.",
)
_OF_CLASSES = "Not possible: a promise is for findings, and of classes one holds."
_UNKNOWN = "Not known: an earlier version chose this winner. cxr-search --resume chooses it again."
_ROWS = (
    "What the scores of the search can promise. To expect: the predictive value on new patients. "
    "At least: the lower end of its exact one-sided 95 % interval by patient."
)


def promises_section(each: Sequence[AnswerSteps], findings: Findings, unit: str) -> Section:
    """What can be promised of each finding, and how many patients would then have an answer.

    Args:
        each: What the surest scores are worth, per finding; none where that is not known.
        findings: What is asked of each examination.
        unit: What is scored: an image, or an exam.
    """
    if findings.exclusive:
        return Section(TITLE, [_OF_CLASSES])
    if not each:
        return Section(TITLE, [_UNKNOWN])
    tables = [Table(promises_table(steps, unit), _ROWS) for steps in each]
    if findings.is_one:
        return Section(TITLE, _ABOUT, tables=tables)
    both = zip(findings.names, tables, strict=True)
    return Section(TITLE, _ABOUT, choices=[Section(name, tables=[one]) for name, one in both])


def answers_section(
    each: Sequence[Answers], findings: Findings, judged: pd.DataFrame, unit: str
) -> Section:
    """What was promised of new images, and what their labels say of it."""
    tables = [Table(kept_table(each, findings, unit), _ROWS)]
    if judged.empty:
        return Section(TITLE, [*_ABOUT[:2], "These labels are all the same."], tables=tables)
    caption = "The same answers on the new labels. Found: with the exact 95 % CI by patient."
    return Section(TITLE, _ABOUT[:2], tables=[*tables, Table(judged, caption)])


def promises_table(steps: AnswerSteps, unit: str) -> pd.DataFrame:
    """The usual promises: what is kept, or how many patients it would take."""
    rows = []
    for kind, promises in _USUAL.items():
        for promised in promises:
            step, takes = steps.last(kind, promised), ""
            if step is None:
                takes = _takes(kind, promised, steps)
            rows.append({**_row(kind, promised, step, steps, unit), "it would take": takes})
    return pd.DataFrame(rows)


def _takes(kind: Kind, promised: float, steps: AnswerSteps) -> str:
    """What a promise would take that cannot be kept."""
    needed, floor = steps.patients_needed(kind, promised), fewest_patients(promised)
    if needed is not None:
        return f"about {needed:,} patients"
    return f"over {floor:,} patients" if floor > steps.num_patients else "better scores"


def kept_table(each: Sequence[Answers], findings: Findings, unit: str) -> pd.DataFrame:
    """The answers that are given, a row each."""
    rows = [
        {**_finding(name, findings), **_row(one.kind, one.promised, one.step, answers.steps, unit)}
        for name, answers in zip(findings.names, each, strict=True)
        for one in answers.kept
    ]
    return pd.DataFrame(rows)


def notes_on(each: Sequence[Answers], findings: Findings) -> Iterator[str]:
    """What a finding cannot keep of a promise that others keep, a sentence each."""
    promised = {(one.kind, one.promised): None for answers in each for one in answers.kept}
    for name, answers in zip(findings.names, each, strict=False):
        kept = {one.kind for one in answers.kept}
        for kind, value in promised:
            if kind not in kept:
                yield f"{_named(kind, value)} cannot be kept for {name}: a doctor decides there"


def judged_table(
    each: Sequence[tuple[str, Sequence[JudgedAnswer]]], findings: Findings
) -> pd.DataFrame:
    """What the answers of some findings were worth on new labels, a row each."""
    rows = [{**_finding(name, findings), **_judged(one)} for name, judged in each for one in judged]
    return pd.DataFrame(rows)


def counts_table(
    each: Sequence[Answers], scores: NDArray[np.float32], findings: Findings
) -> pd.DataFrame:
    """How many of the scores (num_images, num_findings) have each answer, a row per finding."""
    rows = []
    for name, one, column in zip(findings.names, each, scores.T, strict=True):
        words = one.words(column)
        counts = {word: int((words == word).sum()) for word in (NO.word, YES.word, UNDECIDED)}
        rows.append({findings.kind: name, **counts})
    return pd.DataFrame(rows)


def _finding(name: str, findings: Findings) -> dict[str, str]:
    return {} if findings.is_one else {findings.kind: name}


def _named(kind: Kind, promised: float) -> str:
    return f"{kind.measure} {promised:g}"


def _row(
    kind: Kind, promised: float, step: Step | None, steps: AnswerSteps, unit: str
) -> dict[str, str]:
    about = {"answer": kind.word, "promised": _named(kind, promised)}
    names = ("score", "patients", f"{unit}s", "to expect", "at least")
    if step is None:
        return {**about, **dict.fromkeys(names, "")}
    cells = (
        f"{'below' if kind == NO else 'from'} {step.threshold:.3f}",
        _of(step.num_patients, steps.num_patients),
        _of(step.num_exams, steps.num_exams),
        f"{step.value:.3f}",
        f"{step.at_least:.3f}",
    )
    return {**about, **dict(zip(names, cells, strict=True))}


def _of(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.0f} %)"


def _judged(one: JudgedAnswer) -> dict[str, str]:
    kind, promised, found = one.kept.kind, one.kept.promised, one.estimate
    verdict = "nobody has it"
    if found is not None:
        verdict = "kept" if found.value >= promised else "below, maybe by chance"
        verdict = "broken" if found.high < promised else verdict
    return {
        "answer": kind.word,
        "promised": _named(kind, promised),
        "patients": f"{one.num_patients:,}",
        "wrong": f"{one.num_wrong:,}",
        "found": "" if found is None else found.short,
        "verdict": verdict,
    }
