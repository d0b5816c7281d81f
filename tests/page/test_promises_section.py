"""The part of a page that says what can be promised, or how many patients it would take."""

from fixtures.cohorts import three_classes, three_findings

from trainable.cohort.findings import Findings
from trainable.evaluation.answers import AnswerSteps, Step
from trainable.report.answers import promises_section, promises_table

STEPS = AnswerSteps(
    300, 60, num_exams=400, no=(Step(0.1, 150, 190, 1, 0.0),), yes=(Step(0.8, 30, 40, 20, 0.0),)
)


def test_a_promise_stands_with_its_patients_or_with_those_that_it_would_take() -> None:
    rows = {row["promised"]: row for row in promises_table(STEPS, "exam").to_dict("records")}
    kept, not_kept = rows["NPV 0.95"], rows["NPV 0.98"]
    assert (kept["patients"], kept["to expect"]) == ("150 (50 %)", "0.993")
    assert kept["exams"] == "190 (48 %)"
    assert kept["it would take"] == ""
    assert (not_kept["score"], not_kept["it would take"]) == ("", "about 1,200 patients")
    assert rows["PPV 0.8"]["it would take"] == "better scores"


def test_each_finding_has_a_table_and_classes_have_none() -> None:
    [table] = promises_section([STEPS], Findings(("dead",)), "image").tables
    assert len(table.frame) == 8
    findings = three_findings().findings
    section = promises_section([STEPS] * 3, findings, "image")
    assert [one.title for one in section.choices] == list(findings.names)
    assert not promises_section([], three_classes().findings, "image").tables
    [sentence] = promises_section([], findings, "image").paragraphs
    assert "earlier version" in sentence
