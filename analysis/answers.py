"""Three answers for new images: what the search can promise of them, or why not."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.errors import InputError, num_of
from trainable.evaluation.answers import (
    Answers,
    AnswerSteps,
    Kind,
    Promise,
    fewest_patients,
)
from trainable.report.answers import counts_table, judged_table, kept_table, notes_on
from trainable.report.table_lines import table_lines
from trainable.run.winner import Winner


def find_answers(winner: Winner, promise: Promise) -> tuple[Answers, ...]:
    """The answers of each finding; none if nothing is promised.

    Raises:
        InputError: If what is promised can be kept for no finding, naming each such promise; or if
            the search kept nothing that answers need.
    """
    if not promise.given:
        return ()
    if winner.findings.exclusive:
        raise InputError(
            "a promise is for findings that are there or not; here one of "
            f"{len(winner.findings)} classes holds: leave the promise out"
        )
    if not winner.answers:
        raise InputError(
            "a promise needs counts that an earlier version of cxr did not keep with its winner: "
            "choose the winner again with cxr-search --resume RUN, and then export it again if it "
            "was exported"
        )
    found = tuple(Answers.of(steps, promise) for steps in winner.answers)
    kept = {one.kind for answers in found for one in answers.kept}
    if broken := {kind: value for kind, value in promise.given.items() if kind not in kept}:
        raise InputError(*(_why_not(winner.answers, kind, value) for kind, value in broken.items()))
    return found


def _why_not(each: tuple[AnswerSteps, ...], kind: Kind, promised: float) -> str:
    """Why a promise can be kept for no finding."""
    needed = min(filter(None, (one.patients_needed(kind, promised) for one in each)), default=None)
    most = max(filter(None, (one.most(kind) for one in each)), default=None)
    num_patients = max(one.num_patients for one in each)
    floor = fewest_patients(promised)
    if needed is not None:
        why = f"it would take about {needed:,} patients like the {num_patients:,} of the search"
    elif floor > num_patients:
        why = (
            f'it would take {floor:,} patients who hear "{kind.word}", none of them wrongly, and '
            f"the search has {num_patients:,} in all"
        )
    else:
        why = f'even of those who are surest to hear "{kind.word}", too many hear it wrongly'
    instead = f"{most:g} is the most that can be" if most else f"no {kind.measure} above 0.5 can be"
    return f"{kind.option} {promised:g} cannot be kept: {why}; {instead}"


def describe_answers(
    answers: Sequence[Answers], findings: Findings, scores: NDArray[np.float32], unit: str
) -> Iterator[str]:
    """What is promised, and how many new images or examinations have each answer, a line each."""
    if not answers:
        return
    yield f"answers, as the {answers[0].steps.num_patients:,} patients of the search had them:"
    yield from _indented(kept_table(answers, findings, unit))
    yield from (f"note: {note}" for note in notes_on(answers, findings))
    counts = counts_table(answers, scores, findings)
    if not findings.is_one:
        yield f"{num_of(len(scores), unit)} by their answers:"
        yield from _indented(counts)
        return
    [given] = counts.drop(columns=findings.kind).to_dict("records")
    listed = ", ".join(f"{count} {word}" for word, count in given.items())
    yield f"{num_of(len(scores), unit)}: {listed}"


def judge_answers(answers: Sequence[Answers], scored: Scored, findings: Findings) -> pd.DataFrame:
    """What the answers are worth where both classes of a finding occur among known labels."""
    each = []
    for number, (name, one) in enumerate(zip(findings.names, answers, strict=True)):
        of_one = scored.of_findings([number])
        if of_one.has_both:
            each.append((name, one.judge(of_one)))
    return judged_table(each, findings)


def describe_judged(judged: pd.DataFrame) -> Iterator[str]:
    """What the promises were worth on new labels, a line each."""
    if judged.empty:
        yield "all labels are the same: a promise cannot be judged by them"
        return
    yield "the promises on these labels, with exact 95 % CIs by patient:"
    yield from _indented(judged)


def _indented(table: pd.DataFrame) -> Iterator[str]:
    return (f"  {line}" for line in table_lines(table))
