"""The section of a page on what was told and what was found."""

from collections.abc import Iterator

from analysis.elsewhere.compare import ComparedFinding, Comparison
from analysis.elsewhere.words import (
    calibration_words,
    causes_table,
    findings_table,
    like_sentence,
    metrics_table,
    smallest_sentence,
    unlike_sentence,
)
from trainable.report.page import Section, Table, as_sentence

_ABOUT = (
    "Told: what was expected before anybody saw these labels. The F1 is corrected for the choice "
    "of the winner; the other metrics are out of fold, and a little too good. As told: the value "
    "here is in the interval that was told. Maybe chance: it is not, but the interval of the "
    "difference holds 0."
)
_PARTS = (
    "The parts add up to the difference, each with its 95 % CI by patient. Prevalence: what F1 "
    "follows from the sensitivity and specificity that were told. Calibration: what another "
    "threshold, which means here what it meant in the search, would change."
)


def comparison_section(comparison: Comparison) -> Section:
    """What was told and what was found, of one finding, or of several to choose from."""
    title, notes = "Promise and result", [f"Note: {note}." for note in comparison.notes]
    if comparison.num_unlike:
        notes.append(f"{unlike_sentence(comparison)}.")
    if not comparison.kind:
        [one] = comparison.findings
        return Section(title, [_ABOUT, *notes, *_paragraphs(one)], tables=_tables(one))
    table = Table(findings_table(comparison), "What was told of each F1, and what was found.")
    choices = [
        Section(one.name, list(_paragraphs(one)), tables=_tables(one))
        for one in comparison.findings
    ]
    return Section(title, [_ABOUT, *notes], tables=[table], choices=choices)


def _paragraphs(one: ComparedFinding) -> Iterator[str]:
    """What is seen of the causes."""
    yield from map(as_sentence, like_sentence(one))
    why = one.causes
    if why is None:
        return
    then, now = why.prevalences
    yield (
        f"The prevalence is {now:.3f}, and was {then:.3f}. With the sensitivity and specificity "
        f"that were told, that makes an F1 of {why.expected}, a PPV of {why.expected_ppv} and an "
        f"NPV of {why.expected_npv}."
    )
    yield " ".join(map(as_sentence, calibration_words(why)))
    yield as_sentence(smallest_sentence(one))


def _tables(one: ComparedFinding) -> list[Table]:
    tables = [Table(metrics_table(one), "Each metric with its 95 % CI by patient.")]
    if one.causes is not None:
        tables.append(Table(causes_table(one.causes), _PARTS))
    return tables
