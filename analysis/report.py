"""An evaluation on new labels for the page, side by side with the out-of-fold figures."""

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.answers import judge_answers
from analysis.check import Checked
from analysis.elsewhere.compare import Comparison
from analysis.elsewhere.section import comparison_section
from analysis.evaluate import JudgedFindings, average_name, judge_findings
from trainable.cohort.scored import Scored
from trainable.errors import num_of
from trainable.evaluation.intervals import Estimate
from trainable.report.answers import answers_section
from trainable.report.page import Section, Table
from trainable.report.scores_section import scores_section

_HERE = "new images"


def evaluation_sections(
    checked: Checked,
    scored: Scored,
    raw: Scored | None,
    judged: JudgedFindings,
    comparison: Comparison,
    lines: Sequence[str],
    operating_point: float,
) -> list[Section]:
    """The metrics and figures of new labels, beside what was told before.

    Args:
        checked: The run that predicted.
        scored: True labels, patients and scores of the new images.
        raw: The same before the scores were recalibrated, if they were.
        judged: What the scores are worth; both classes of some finding occur.
        comparison: The same beside what was told.
        lines: What the command prints of them.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    winner, cohort = checked.winner, checked.cohort
    section = _of_one if cohort.findings.is_one else _of_several
    return [
        section(checked, scored, judged),
        comparison_section(comparison),
        *_familiar_alone(checked, scored, operating_point),
        scores_section(scored, winner, raw=raw),
        *_answers(checked, scored),
        Section("As printed", listing="\n".join(lines)),
    ]


def _familiar_alone(checked: Checked, scored: Scored, operating_point: float) -> Iterator[Section]:
    """How many are unfamiliar, and the metrics of the others alone, where some are to be judged."""
    known, truth, findings = checked.familiarity, checked.truth, checked.cohort.findings
    if known is None or truth is None:
        return
    yield Section("Images unlike those of the training", known.paragraphs())
    rows = known.rows_of(checked.new)
    if rows is None or rows[truth.rows].all():
        return
    some = scored.take(rows[truth.rows])
    judged = judge_findings(some, findings, checked.winner, operating_point)
    if not any(judged.estimates):
        return
    if findings.is_one:
        estimates = judged.each[0].estimates
        table = pd.DataFrame(
            {"metric": [*estimates], _HERE: [str(estimates[n]) for n in estimates]}
        )
    else:
        table = _table(judged, findings.kind, average_name(checked.winner))
    familiar = num_of(len(some), f"familiar {checked.cohort.grouping.unit}")
    yield Section(
        f"The {familiar} alone",
        ["The same metrics without what is unlike the images of the training."],
        tables=[Table(table, "Each metric with its 95 % CI by patient.")],
    )


def _answers(checked: Checked, scored: Scored) -> Iterator[Section]:
    """What was promised, and what came of it, where something was."""
    answers, findings = checked.answers, checked.cohort.findings
    if answers:
        judged, unit = judge_answers(answers, scored, findings), checked.cohort.grouping.unit
        yield answers_section(answers, findings, judged, unit)


def _of_one(checked: Checked, scored: Scored, judged: JudgedFindings) -> Section:
    [one] = judged.each
    return Section(
        "Result",
        [
            f"{_of_patients(checked, scored)}, {one.num_positive} positive.",
            _expected(checked, one.estimates["F1"]),
            *(f"Note: {note}." for note in checked.unlike),
        ],
    )


def _of_several(checked: Checked, scored: Scored, judged: JudgedFindings) -> Section:
    """All findings in one table."""
    winner, findings = checked.winner, checked.cohort.findings
    found = judged.averages.get("F1")
    table = _table(judged, findings.kind, average_name(winner))
    return Section(
        "Result",
        [
            f"{_of_patients(checked, scored)}.",
            *([] if found is None else [_expected(checked, found)]),
            *(f"Note: {note}." for note in checked.unlike),
        ],
        tables=[Table(table, "Each metric with its 95 % CI by patient.")],
    )


def _of_patients(checked: Checked, scored: Scored) -> str:
    exams = num_of(len(scored), f"new {checked.cohort.grouping.unit}")
    return f"{exams} of {num_of(scored.num_patients, 'patient')}"


def _expected(checked: Checked, found: Estimate) -> str:
    winner = checked.winner
    corrected, f1_name = winner.corrected, winner.f1_name
    low, high = corrected.interval
    article = "an" if f1_name == "F1" else "a"
    return (
        f"The search expected {article} {f1_name} of {corrected.f1:.3f} on {winner.promised_to} "
        f"({low:.3f} to {high:.3f}); here it is {found}."
    )


def _table(judged: JudgedFindings, kind: str, average: str) -> pd.DataFrame:
    """A row per finding with all its metrics, then the averages."""
    metrics = next(list(one.estimates) for one in judged.each if one.estimates)
    rows = [
        (one.name, str(one.num_known), str(one.num_positive), one.estimates) for one in judged.each
    ]
    if judged.averages:
        rows.append((average, "", "", judged.averages))
    cells = [
        (*about, *(str(estimates.get(name, "")) for name in metrics)) for *about, estimates in rows
    ]
    return pd.DataFrame(cells, columns=[f"{kind}, {_HERE}", "known", "positive", *metrics])
