"""A cohort and the rules that its images, labels and patients must meet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import cohort as two_images

from trainable.cohort.checks import check_cohort
from trainable.cohort.cohort import MANIFEST_COLUMNS, Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.errors import Checks, InputError

MakeCohort = Callable[..., Cohort]
LABELS = [0, 1, 0, 1]
SIDES = ["train", "train", "valid", "valid"]


def broken_rules(
    cohort: Cohort, num_folds: int = 2, *, mixed_patients: bool = False
) -> tuple[str, ...]:
    checks = Checks()
    check_cohort(cohort, num_folds, mixed_patients, checks)
    return tuple(checks.problems)


@pytest.mark.parametrize(
    "images",
    [
        {},
        {"splits": SIDES},
        {"patients": ["a", "b", "a2", "b"]},
        # the same image twice, of one patient with one label, stays on one side of every fold
        {"labels": [0, 1, 0, 1, 1], "patients": list("abcdb"), "contents": list("vwxyw")},
    ],
)
def test_sound_cohort_breaks_no_rule(make_cohort: MakeCohort, images: dict[str, Any]) -> None:
    cohort = make_cohort(**{"labels": LABELS, **images})
    assert broken_rules(cohort, num_folds=1) == ()


def test_an_image_whose_rows_differ_is_refused(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 1, 0, 1, 1], paths=[*"abcda"], contents=[*"vwxyv"])
    (problem,) = broken_rules(cohort)
    assert "must have one label and one patient; with several: image4.png" in problem
    assert "--negative rest" in problem


def test_same_content_under_two_labels_is_refused(make_cohort: MakeCohort) -> None:
    (problem,) = broken_rules(make_cohort(LABELS, contents=["x", "x", "y", "z"]))
    assert "must have one label" in problem
    assert problem.endswith("image0.png, image1.png")


def test_same_content_of_two_patients_is_refused(make_cohort: MakeCohort) -> None:
    (problem,) = broken_rules(make_cohort(LABELS, contents=["x", "y", "x", "z"]))
    assert "must belong to one patient" in problem
    assert "image0.png, image2.png" in problem


def test_patient_with_both_labels_is_refused_unless_allowed(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 1, 0, 1, 0], patients=["a", "b", "c", "d", "d"])
    (problem,) = broken_rules(cohort)
    assert "a patient must have one label; with both: d." in problem
    assert "--mixed-patients" in problem
    assert broken_rules(cohort, mixed_patients=True) == ()


def test_patient_on_both_sides_of_a_kept_split_is_refused(make_cohort: MakeCohort) -> None:
    (problem,) = broken_rules(make_cohort(LABELS, patients=["a", "b", "a", "d"], splits=SIDES))
    assert "on both: a." in problem
    assert "--split merge" in problem


def test_every_fold_needs_a_patient_of_each_class(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0] * 6 + [1] * 6, patients=[*"abcdef", *"ttttuv"])
    assert broken_rules(cohort, num_folds=3) == ()
    (problem,) = broken_rules(cohort, num_folds=4)
    assert "4 patients of each class are needed" in problem
    assert "positive (dead): 3" in problem
    assert "--folds 3" in problem


@pytest.mark.parametrize(("label", "name"), [(0, "positive (dead)"), (1, "negative (alive)")])
def test_single_class_is_refused_and_no_number_of_folds_proposed(
    make_cohort: MakeCohort, label: int, name: str
) -> None:
    (problem,) = broken_rules(make_cohort([label] * 4))
    assert f"{name}: 0" in problem
    assert "--folds" not in problem


def test_both_sides_of_a_kept_split_need_both_classes(make_cohort: MakeCohort) -> None:
    train, valid = broken_rules(make_cohort([0, 0, 1, 1], splits=SIDES), num_folds=5)
    assert "in train" in train
    assert "positive (dead): 0" in train
    assert "in valid" in valid
    assert "negative (alive): 0" in valid


def test_folds_and_a_test_part_need_both_classes(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 0, 0, 1, 1, 0], splits=[*["train"] * 5, "test"])
    test, train = broken_rules(cohort, num_folds=3)
    assert test == (
        "1 patient of each class is needed in test; positive (dead): 0. Add images, or "
        "cross-validate all together with --split merge"
    )
    assert train == (
        "3 patients of each class are needed in train, one per fold; positive (dead): 2. Add "
        "images, or ask for fewer with --folds 2"
    )


def test_a_test_part_shares_no_patient_and_no_file_with_the_rest(make_cohort: MakeCohort) -> None:
    sides = ["train", "test", "train", "test", "train", "train"]
    labels = [0, 1, 1, 0, 0, 1]
    [problem] = broken_rules(make_cohort(labels, patients=[*"abbdef"], splits=sides))
    assert "a patient must be on one side of the split; on both: b." in problem
    [problem] = broken_rules(make_cohort(labels, contents=[*"vwwxyz"], splits=sides))
    assert "must belong to one patient" in problem


def test_all_broken_rules_are_named_at_once(make_cohort: MakeCohort) -> None:
    cohort = make_cohort(
        [0, 1, 0, 0, 0],
        patients=["a", "a", "b", "c", "b"],
        splits=["train", "train", "train", "valid", "valid"],
        contents=["x", "x", "y", "z", "y"],
        paths=["1", "2", "3", "4", "3"],
    )
    found = broken_rules(cohort)
    rules = ["rows of an image", "must have one label", "with both: a", "on both: b", "in valid"]
    assert len(found) == len(rules)
    for rule, problem in zip(rules, found, strict=True):
        assert rule in problem


@pytest.mark.parametrize(
    ("names", "patients", "hashes"),
    [
        (
            ["007", "08", "1", "9", "10", "11"],
            ["007", "7", "07", "1", "2", "3"],
            ["1e10", *"12345"],
        ),
        (
            ["NA", "null", "", "a.png", "nan", "None"],
            ["NA", "nan", "x", "-", "1.0", "y"],
            [*"abcdef"],
        ),
        (['a, "b".png', "Röntgen 1", "'", "a\tb", "#", "\\"], ["True", "False"] * 3, [*"abcdef"]),
    ],
)
def test_save_and_load_keep_every_cell_and_remark(
    tmp_path: Path, names: list[str], patients: list[str], hashes: list[str]
) -> None:
    manifest = pd.DataFrame(
        {
            "image": names,
            "path": [f"/images/{name}.png" for name in names],
            "label": np.array([0, 1, 0, 1, 0, 1], np.int64),
            "patient": patients,
            "split": ["", "", "train", "train", "valid", "valid"],
            "sha256": hashes,
        }
    )
    rule = LabelRule(("0", "1"), any_yes_or_no=True, missing="drop", uncertain="negative")
    saved = Cohort(manifest, (rule,), ("one remark", "another"))
    saved.save(tmp_path)
    loaded = Cohort.load(tmp_path)
    assert tuple(loaded.manifest.columns) == MANIFEST_COLUMNS
    assert loaded.manifest.to_dict("list") == manifest.to_dict("list")
    assert loaded.label_rules == (rule,)
    assert loaded.notes == saved.notes
    assert loaded.digest == saved.digest
    assert loaded.labels.dtype == np.int64
    np.testing.assert_array_equal(loaded.patients, saved.patients)


def test_a_cohort_of_before_there_was_a_rule_has_its_classes(
    tmp_path: Path, make_cohort: MakeCohort
) -> None:
    make_cohort(LABELS).save(tmp_path)
    about = json.loads((tmp_path / "cohort.json").read_text())
    [rule] = about.pop("label_rules")
    about["classes"] = rule["classes"]
    (tmp_path / "cohort.json").write_text(json.dumps(about))
    assert Cohort.load(tmp_path).label_rules == (LabelRule(("alive", "dead")),)


def test_images_of_one_patient_share_a_number(make_cohort: MakeCohort) -> None:
    numbers = make_cohort(LABELS, patients=["b", "a", "b", "007"]).patients
    assert numbers.dtype == np.int64
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"labels": [0, 1, 1, 0]},
        {"patients": ["a", "b", "c", "e"]},
        {"contents": ["x", "y", "z", "v"]},
        {"contents": ["y", "x", "z", "w"]},
        {"splits": SIDES},
    ],
)
def test_digest_changes_with_what_a_search_sees(
    make_cohort: MakeCohort, change: dict[str, Any]
) -> None:
    images = {"labels": LABELS, "patients": list("abcd"), "contents": list("xyzw")}
    assert make_cohort(**{**images, **change}).digest != make_cohort(**images).digest


def test_digest_does_not_change_with_the_names_of_files(make_cohort: MakeCohort) -> None:
    moved = make_cohort(LABELS, paths=["/a", "/b", "/c", "/d"])
    moved.manifest["image"] = ["a", "b", "c", "d"]
    assert moved.digest == make_cohort(LABELS).digest


def test_an_edited_covariate_is_refused_as_an_edited_label_is(tmp_path: Path) -> None:
    manifest = two_images().manifest.assign(**{"covariate:age": ["61", ""]})
    Cohort(manifest, (LabelRule(("alive", "dead")),)).save(tmp_path)
    assert Cohort.load(tmp_path).covariates["age"].tolist()[0] == "61"
    table = tmp_path / "cohort.csv"
    table.write_text(table.read_text().replace("61", "16"))
    with pytest.raises(InputError, match=r"cohort\.csv is not as the search wrote it"):
        Cohort.load(tmp_path)
