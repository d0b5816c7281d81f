"""Cohorts of several findings and of several classes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.cohorts import three_classes, three_findings

from trainable.cohort.checks import check_cohort
from trainable.cohort.cohort import Cohort
from trainable.cohort.counts import count_findings, count_lines
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.rare import without_rare
from trainable.errors import Checks
from trainable.terminal_cells import cell_len


def with_column(cohort: Cohort, column: str, *values: int) -> Cohort:
    """The cohort with other values in the first rows of a column."""
    changed = cohort.manifest[column].to_numpy().copy()
    changed[: len(values)] = values
    return dataclasses.replace(cohort, manifest=cohort.manifest.assign(**{column: changed}))


def broken_rules(cohort: Cohort, *, mixed_patients: bool = False) -> list[str]:
    checks = Checks()
    check_cohort(cohort, 5, mixed_patients, checks)
    return checks.problems


def test_several_labels_have_a_column_each_and_some_are_unknown() -> None:
    cohort = three_findings(10)
    assert cohort.findings == Findings(("mass", "nodule", "effusion"))
    assert cohort.labels.dtype == np.int64
    assert cohort.labels[:5].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 0, -1]]


def test_several_classes_are_one_hot() -> None:
    cohort = three_classes(8)
    assert cohort.findings == Findings(("normal", "bacterial", "viral"), exclusive=True)
    assert cohort.labels[::2].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert (cohort.labels.sum(axis=1) == 1).all()


@pytest.mark.parametrize("make", [three_findings, three_classes])
def test_what_is_saved_is_loaded(tmp_path: Path, make: Callable[[], Cohort]) -> None:
    cohort = make()
    cohort.save(tmp_path)
    loaded = Cohort.load(tmp_path)
    assert loaded.label_rules == cohort.label_rules
    assert loaded.digest == cohort.digest
    np.testing.assert_array_equal(loaded.labels, cohort.labels)
    assert broken_rules(loaded) == []


def test_the_digest_changes_with_a_label_of_any_finding() -> None:
    cohort = three_findings()
    assert with_column(cohort, "label:nodule", 1).digest != cohort.digest


def test_a_patient_may_have_a_finding_on_one_day_alone_but_one_class() -> None:
    assert broken_rules(with_column(three_findings(), "label:mass", 1, 0)) == []
    mixed = with_column(three_classes(), "label", 0, 2)
    [problem] = broken_rules(mixed)
    assert "a patient must have one label; with several: patient0." in problem
    assert broken_rules(mixed, mixed_patients=True) == []


def test_files_with_the_same_content_differ_only_in_what_is_unknown() -> None:
    cohort = three_findings()
    same = cohort.manifest["sha256"].where(cohort.manifest.index > 1, "x")
    cohort = dataclasses.replace(cohort, manifest=cohort.manifest.assign(sha256=same))
    agree = with_column(with_column(cohort, "label:mass", 1, 1), "label:nodule", 0, 0)
    assert broken_rules(with_column(agree, "label:effusion", 0, -1)) == []
    [problem] = broken_rules(with_column(agree, "label:effusion", 0, 1))
    assert "these differ in effusion: image0.png, image1.png" in problem


def test_an_unknown_label_is_in_no_count() -> None:
    cohort = three_findings(10)
    *_, effusion = count_findings(cohort.findings, cohort.labels, cohort.patients)
    assert effusion.exams == (4, 4, 2)
    assert effusion.patients == (2, 3, 0)


def test_findings_with_too_few_patients_are_named_together() -> None:
    cohort = with_column(three_findings(), "label:nodule", *[0] * 30)
    cohort = with_column(cohort, "label:mass", *[1] * 30)
    [problem] = broken_rules(cohort)
    assert problem.startswith("5 patients of each class are needed, one per fold; ")
    assert "mass (negative): 3, nodule (positive): 1. Add images, or leave out" in problem


def test_a_rare_finding_is_left_out_and_named() -> None:
    cohort = without_rare(with_column(three_findings(), "label:nodule", *[0] * 30), 5)
    assert cohort.findings == Findings(("mass", "effusion"))
    assert cohort.notes == ("left out, with fewer than 5 patients: nodule (positive): 1",)
    assert cohort.unused == cohort.notes
    assert broken_rules(cohort) == []


def test_a_finding_that_the_test_part_lacks_is_left_out_and_named() -> None:
    cohort = three_findings(60)
    split = ["test" if row % 20 < 4 else "train" for row in range(60)]
    cohort = dataclasses.replace(cohort, manifest=cohort.manifest.assign(split=split))
    assert without_rare(cohort, 5) is cohort
    is_test = cohort.manifest["split"] == "test"
    cohort.manifest.loc[is_test, "label:nodule"] = 0
    cohort.manifest.loc[~is_test, "label:mass"] = [*[1] * 4, *[0] * 44]
    left = without_rare(cohort, 5)
    assert left.notes == (
        "left out, with fewer than 5 patients in train: mass (positive): 2; fewer than 1 patient "
        "in test: nodule (positive): 0; so are 12 images without another label",
    )
    assert left.found_by["label"] == "effusion"


def test_images_with_nothing_known_beside_a_rare_finding_are_left_out() -> None:
    cohort = with_column(three_findings(), "label:nodule", *[0] * 30)
    cohort = with_column(cohort, "label:mass", *[-1] * 5)
    left = without_rare(cohort, 5)
    assert len(left.labels) == 35
    assert left.notes[0].endswith("so is 1 image without another label")


def test_one_finding_that_is_left_is_the_only_one() -> None:
    cohort = with_column(three_findings(), "label:nodule", *[0] * 30)
    cohort = without_rare(with_column(cohort, "label:mass", *[1] * 30), 5)
    assert cohort.findings.is_one
    assert cohort.label_rules == (LabelRule(("0", "1"), missing="drop"),)
    assert cohort.found_by["label"] == "effusion"
    assert cohort.labels.min() == 0
    assert len(cohort.labels) == 29


def test_a_rare_class_is_left_out_with_its_images() -> None:
    cohort = three_classes()
    four = dataclasses.replace(
        with_column(cohort, "label", 3),
        label_rules=(LabelRule(("normal", "bacterial", "viral", "fungal")),),
    )
    left = without_rare(four, 5)
    assert left.findings.names == ("normal", "bacterial", "viral")
    assert left.notes[0].endswith("fungal: 1; so is 1 image without another label")
    assert len(left.labels) == 35
    assert broken_rules(left) == []


def test_two_classes_that_would_be_left_are_refused() -> None:
    cohort = with_column(three_classes(), "label", *[0, 0, 1, 1, 0, 0] * 5)
    assert without_rare(cohort, 5) is cohort
    [problem] = broken_rules(cohort)
    assert "viral: 1" in problem


def test_counts_are_a_table_of_at_most_80_characters() -> None:
    cohort = three_findings()
    findings = Findings(("a finding with a very long name", "nodule", "effusion"))
    rows = list(count_lines(findings, cohort.labels, cohort.patients, "image"))
    assert max(map(len, rows)) <= 80
    assert rows[0].split() == ["images", "patients"]
    assert rows[1].split() == ["finding", *["positive", "negative", "unknown"] * 2]
    assert rows[-1].split() == ["effusion", "15", "14", "7", "9", "9", "0"]
    classes = three_classes()
    rows = list(count_lines(classes.findings, classes.labels, classes.patients, "image"))
    assert [row.split() for row in rows[:2]] == [
        ["class", "images", "patients"],
        ["normal", "12", "6"],
    ]


def test_letters_of_two_cells_stay_in_line() -> None:
    cohort = three_findings()
    findings = Findings(("肺炎", "nodule", "a很长的名字很长的名字很长的名字"))
    _, *rows = count_lines(findings, cohort.labels, cohort.patients, "image")
    assert len({cell_len(row) for row in rows}) == 1
    assert cell_len(rows[0]) <= 80
