"""True labels of several findings and classes are read as in the search, and each is judged."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.networks import tiny_config
from fixtures.winners import make_winner
from sklearn.metrics import confusion_matrix, f1_score

from analysis.evaluate import judge_findings
from analysis.evaluation_lines import describe
from analysis.new_images import find_new_images
from analysis.true_labels import TrueLabels, read_true_labels
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored
from trainable.errors import InputError
from trainable.evaluation.scoring import Scoring
from trainable.run.winner import Winner

WriteImages = Callable[[Path, Iterable[str]], None]
LABELS, CLASSES = three_findings(), three_classes()
IN_CELLS = replace(
    LABELS,
    label_rules=tuple(
        replace(one, classes=("rest", str(one.finding)), missing=None) for one in LABELS.label_rules
    ),
    found_by={"label": "Finding Labels"},
)
NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture
def read(tmp_path: Path, write_images: WriteImages) -> Callable[[str, Cohort], TrueLabels]:
    """Reads a table of labels of three images."""

    def read(table: str, cohort: Cohort) -> TrueLabels:
        write_images(tmp_path / "new", NAMES)
        (tmp_path / "l.csv").write_text(table)
        new = find_new_images(tmp_path / "new", None, cohort)
        return read_true_labels(tmp_path / "l.csv", new, cohort)

    return read


Read = Callable[[str, Cohort], TrueLabels]


@pytest.mark.parametrize("cohort", [LABELS, IN_CELLS])
@pytest.mark.parametrize(
    "table",
    [
        "image,nodule,Effusion,mass\nc.png,0,1,1\na.png,1.0,0,0\nb.png,0,0,0\n",
        "image,Finding Labels\nc.png,Mass|Effusion\na.png,nodule\nb.png,No Finding\n",
    ],
)
def test_findings_are_read_in_columns_and_in_cells_whatever_the_search_had(
    read: Read, table: str, cohort: Cohort
) -> None:
    truth = read(table.replace("Finding Labels", "label") if cohort is LABELS else table, cohort)
    assert truth.labels.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1]]


def test_what_is_unknown_is_left_out_of_its_finding_alone(read: Read) -> None:
    truth = read("image,mass,nodule,effusion\na.png,1,,-1\nb.png,,?,\nc.png,0,1,0\n", LABELS)
    assert truth.rows.tolist() == [0, 2]
    assert truth.labels.tolist() == [[1, -1, -1], [0, 1, 0]]
    assert truth.notes[0] == "4 missing labels left out, as in the search"
    assert truth.notes[1] == "1 uncertain label left out, as in the search"


def test_a_finding_that_the_table_lacks_is_said_and_the_others_are_judged(read: Read) -> None:
    truth = read("image,mass,effusion\na.png,1,0\nb.png,0,1\nc.png,0,1\n", LABELS)
    assert truth.labels.tolist() == [[1, -1, 0], [0, -1, 1], [0, -1, 1]]
    assert any("has no column of nodule; the others are judged" in note for note in truth.notes)


def test_classes_are_read_in_one_column(read: Read) -> None:
    truth = read("image,class\nc.png,viral\na.png,Normal\nb.png,bacterial\n", CLASSES)
    assert truth.labels.tolist() == np.eye(3, dtype=int).tolist()


@pytest.mark.parametrize(
    ("table", "cohort", "message"),
    [
        (
            "image,class\na.png,viral\nb.png,fungal\nc.png,normal\n",
            CLASSES,
            "must be one of normal, bacterial, viral, as in the search; class also has fungal: "
            "write these so, or leave their images out of --images",
        ),
        (
            "image,mass,nodule\na.png,1,2\nb.png,0,1\nc.png,0,1\n",
            LABELS,
            "labels must be 0 or 1, as in the search; nodule also has 2: write these so, "
            "or leave the cells blank",
        ),
        (
            "image,mas\na.png,1\nb.png,0\nc.png,0\n",
            LABELS,
            "must have a column of a finding, or one of all findings (called 'label'); it has "
            "image, mas; choose from: mass, nodule, effusion",
        ),
        (
            "image,mass\na.png,1\nb.png,0\na.png,0\nc.png,0\n",
            LABELS,
            "with two: a.png",
        ),
    ],
)
def test_labels_that_say_nothing_sure_are_refused_in_a_sentence(
    read: Read, table: str, cohort: Cohort, message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        read(table, cohort)
    [problem] = refusal.value.problems
    assert message in problem


def winner_of(cohort: Cohort, thresholds: tuple[float, ...]) -> Winner:
    findings = cohort.findings
    scoring = Scoring(f1_average="macro", exclusive=findings.exclusive)
    return make_winner(tiny_config(), findings=findings, thresholds=thresholds, scoring=scoring)


def scored_findings(num_exams: int = 60) -> Scored:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (num_exams, 3))
    scores = np.clip(labels * 0.3 + rng.uniform(0, 0.7, labels.shape), 0, 1).astype(np.float32)
    labels[::4, 2] = -1
    return Scored(labels, np.arange(num_exams) // 2, scores)


def test_each_finding_is_judged_on_the_labels_that_are_known() -> None:
    scored = scored_findings()
    winner = winner_of(LABELS, (0.5, 0.4, 0.6))
    judged = judge_findings(scored, LABELS.findings, winner, 0.9)
    known = scored.labels[:, 2] >= 0
    expected = f1_score(scored.labels[known, 2], scored.scores[known, 2] >= np.float32(0.6))
    assert judged.each[2].estimates["F1"].value == pytest.approx(expected)
    assert [(one.num_known, one.num_positive) for one in judged.each][2] == (45, 24)
    f1s = [one.estimates["F1"].value for one in judged.each]
    assert judged.averages["F1"].value == pytest.approx(np.mean(f1s))
    lines = list(describe(judged, scored, LABELS.findings, winner))
    assert max(map(len, lines)) <= 80
    assert [line.split()[:3] for line in lines[2:5]][2] == ["effusion", "45", "24"]
    assert lines[5].split()[:3] == ["macro", "average", "60"]


def test_a_finding_of_one_value_is_named_and_the_others_are_judged_as_ever() -> None:
    whole = scored_findings()
    labels = whole.labels.copy()
    labels[:, 1] = -1
    labels[:, 2] = np.where(labels[:, 2] == 1, 0, labels[:, 2])
    winner = winner_of(LABELS, (0.5, 0.4, 0.6))
    scored = replace(whole, labels=labels)
    judged = judge_findings(scored, LABELS.findings, winner, 0.9)
    assert [one.name for one in judged.each] == ["mass", "effusion"]
    both = judge_findings(whole, LABELS.findings, winner, 0.9).each[0]
    assert judged.each[0].estimates["F1"].value == both.estimates["F1"].value
    assert not judged.averages
    lines = list(describe(judged, scored, LABELS.findings, winner))
    assert lines[-1].endswith("nothing can be judged: effusion")


@pytest.mark.parametrize("lacks_a_class", [False, True])
def test_classes_are_judged_with_their_confusion_matrix(lacks_a_class: bool) -> None:
    rng = np.random.default_rng(1)
    labels = np.eye(3, dtype=np.int64)[rng.integers(0, 2 if lacks_a_class else 3, 60)]
    raw = labels * 0.4 + rng.uniform(0, 1, labels.shape)
    scores = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    scored = Scored(labels, np.arange(60), scores)
    thresholds = (0.3, 0.3, 0.4)
    winner = winner_of(CLASSES, thresholds)
    judged = judge_findings(scored, CLASSES.findings, winner, 0.9)
    predicted, actual = (scores / np.array(thresholds)).argmax(axis=1), labels.argmax(axis=1)
    each = f1_score(actual, predicted, average=None, labels=[0, 1, 2])
    occurring = [one for one in judged.each if one.estimates]
    assert len(occurring) == (2 if lacks_a_class else 3)
    for one in occurring:
        assert one.estimates["F1"].value == pytest.approx(each[one.number])
    if not lacks_a_class:
        assert judged.averages["F1"].value == pytest.approx(each.mean())
    lines = list(describe(judged, scored, CLASSES.findings, winner))
    found = [list(map(int, line.split()[1:])) for line in lines[2:5]]
    assert found == confusion_matrix(actual, predicted, labels=[0, 1, 2]).tolist()
    assert max(map(len, lines)) <= 80
