"""Predictions of several findings, or classes: a column each, or one, in the user's own words."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.networks import tiny_config
from fixtures.winners import make_winner

from analysis.new_images import NewImages, find_new_images
from analysis.predict import describe_predictions, predictions_and_scores
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.errors import InputError
from trainable.evaluation.scoring import Scoring

WriteImages = Callable[[Path, Iterable[str]], None]
LABELS, CLASSES = three_findings(), three_classes()
SCORES = np.array([[0.6, 0.1, 0.3], [0.2, 0.5, 0.3]], np.float32)
THRESHOLDS = (0.5, 0.4, 0.2)


@pytest.fixture
def folder(tmp_path: Path, write_images: WriteImages) -> Path:
    write_images(tmp_path / "new", ["a.png", "b.png"])
    return tmp_path / "new"


def tables(new: NewImages, cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    findings = cohort.findings
    scoring = Scoring(f1_average="macro", exclusive=findings.exclusive)
    winner = make_winner(tiny_config(), findings=findings, thresholds=THRESHOLDS, scoring=scoring)
    return predictions_and_scores(new, SCORES, winner, cohort.label_rules)


def test_without_a_template_each_finding_has_a_column(folder: Path) -> None:
    filled, scores = tables(find_new_images(folder, None, LABELS), LABELS)
    assert filled.to_dict("list") == {
        "image": ["a.png", "b.png"],
        "mass": ["1", "0"],
        "nodule": ["0", "1"],
        "effusion": ["1", "1"],
    }
    assert list(scores) == [
        "image",
        *("score:mass", "score:nodule", "score:effusion"),
        *("prediction:mass", "prediction:nodule", "prediction:effusion"),
    ]
    np.testing.assert_array_equal(scores[["score:mass", "score:nodule", "score:effusion"]], SCORES)


def test_of_classes_the_highest_ratio_of_score_to_threshold_is_written(folder: Path) -> None:
    filled, scores = tables(find_new_images(folder, None, CLASSES), CLASSES)
    # 0.6 / 0.5 and 0.3 / 0.2; 0.5 / 0.4 and 0.3 / 0.2
    assert filled["prediction"].tolist() == ["viral", "viral"]
    names = ["score:normal", "score:bacterial", "score:viral"]
    assert list(scores) == ["image", *names, "prediction"]


def test_a_finding_in_a_cell_of_several_is_predicted_as_1_or_0(folder: Path) -> None:
    rules = tuple(replace(one, classes=("rest", str(one.finding))) for one in LABELS.label_rules)
    cohort = replace(LABELS, label_rules=rules)
    assert tables(find_new_images(folder, None, cohort), cohort)[0]["mass"].tolist() == ["1", "0"]


def test_a_template_has_the_findings_that_it_asks_for_wherever_they_stand(folder: Path) -> None:
    template = folder.parent / "t.csv"
    template.write_text("EFFUSION,ward,image,mass\n?,3,b.png,?\n?,4,a.png,?\n")
    new = find_new_images(folder, template, LABELS)
    assert new.notes == (
        "the template has no column of nodule; the scores file has all",
        "columns of the template stay as they are, being no finding: ward",
    )
    filled, scores = tables(new, LABELS)
    assert list(filled) == ["EFFUSION", "ward", "image", "mass"]
    assert filled["mass"].tolist() == ["1", "0"]
    assert filled["EFFUSION"].tolist() == ["1", "1"]
    assert filled["ward"].tolist() == ["3", "4"]
    assert "score:nodule" in scores


def test_a_template_of_classes_has_one_column(folder: Path) -> None:
    template = folder.parent / "t.csv"
    template.write_text("image,finding\nb.png,\na.png,\n")
    new = find_new_images(folder, template, CLASSES)
    assert tables(new, CLASSES)[0]["finding"].tolist() == ["viral", "viral"]
    assert new.notes == ()


def test_classes_of_a_template_that_no_search_saw_are_named(folder: Path) -> None:
    template = folder.parent / "t.csv"
    template.write_text("image,finding\nb.png,Viral\na.png,covid\n")
    [note] = find_new_images(folder, template, CLASSES).notes
    assert "the column 'finding' of the template names classes that the search never saw" in note
    assert note.endswith("not predicted: covid")
    template.write_text("image,finding\nb.png,0\na.png,0\n")
    assert find_new_images(folder, template, CLASSES).notes == ()


def test_a_column_per_class_is_refused_with_what_to_do(folder: Path) -> None:
    template = folder.parent / "t.csv"
    template.write_text("image,normal,Viral,covid\na.png,,,\n")
    with pytest.raises(InputError, match=r"called as classes \(normal, Viral\): put one in their"):
        find_new_images(folder, template, CLASSES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("image,efusion", "none of efusion is; did you mean 'effusion'?"),
        ("image,x,y", "none of x, y is; choose from: mass, nodule, effusion"),
        ("image,mass,Nodule,NODULE", "one column must be of nodule; it may be Nodule, NODULE"),
    ],
)
def test_a_template_without_a_finding_is_refused(folder: Path, columns: str, message: str) -> None:
    template = folder.parent / "t.csv"
    template.write_text(f"{columns}\na.png{',' * columns.count(',')}\n")
    with pytest.raises(InputError) as refusal:
        find_new_images(folder, template, LABELS)
    [problem] = refusal.value.problems
    assert message in problem


def test_what_is_predicted_is_counted_finding_by_finding() -> None:
    positives = np.array([[True, False], [True, True]])
    rules = [
        LabelRule(("0", "1"), finding=name)
        for name in ("mass", "a finding with a name that is far too long for any line of a table")
    ]
    findings = Cohort(pd.DataFrame(), tuple(rules)).findings
    winner = make_winner(tiny_config(), findings=findings, thresholds=(0.5, 0.25))
    first, *table = describe_predictions(positives, winner, "image", Path("out.csv"))
    assert first == "2 images: out.csv"
    assert [len(line) for line in table] == [80, 80, 80]
    found = [line.split()[-4:] for line in table[1:]]
    assert found == [["2", "0.500", "0.400", "(0.300-0.600)"], ["1", "0.250", *found[0][2:]]]
    assert "…" in table[2]
