"""Several findings and several classes, as tables and folders have them."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from fixtures.cohorts import problems_of

from search.command import app
from search.terminal.plan_lines import cohort_lines
from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.evaluation.scoring import Scoring
from trainable.reading.label_columns import asked_by_name
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]
Write = Callable[..., DataOptions]
NAMES = [f"x{number}.png" for number in range(8)]


@pytest.fixture
def write(tmp_path: Path, write_images: WriteImages) -> Write:
    """Writes a table of 8 images, with values in turn, and gives its options."""
    write_images(tmp_path / "images", NAMES)

    def make(columns: dict[str, Sequence[str]], **options: str) -> DataOptions:
        rows = pd.DataFrame({"image": NAMES})
        for name, values in columns.items():
            rows[name] = [values[row % len(values)] for row in range(len(NAMES))]
        rows.to_csv(tmp_path / "t.csv", index=False)
        return DataOptions(data=tmp_path / "t.csv", **options)

    return make


def labels_of(cohort: Cohort) -> dict[str, list[int]]:
    names = cohort.findings.names
    return dict(zip(names, cohort.labels.T.tolist(), strict=True))


def test_three_values_are_classes_and_said_with_their_counts(write: Write) -> None:
    cohort = read_cohort(write({"finding": ["Viral", "Normal", "viral", "Bacterial"]}))
    assert cohort.findings == Findings(("Bacterial", "Normal", "Viral"), exclusive=True)
    assert cohort.labels[:4].tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert "the classes of finding are Bacterial (2), Normal (2), Viral (4)" in cohort.notes[0]
    assert list(cohort.manifest.columns)[:3] == ["image", "path", "label"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["Pneumonie, viral", "Pneumonie, bakteriell", "ohne"], None),
        (["01", "02", "10"], ("01", "02", "10")),
        (["2", "1", "0", "3.0"], ("0", "1", "2", "3")),
        (["肺炎", "正常", "结核"], None),
        (["a/b", "c", "d"], None),
    ],
)
def test_classes_of_any_name_are_read(
    write: Write, values: list[str], names: tuple[str, ...] | None
) -> None:
    found = read_cohort(write({"label": values})).findings
    assert found.exclusive
    assert found.names == (names or tuple(sorted(values, key=str.casefold)))


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["0", "4", "9", "18"], {}, "by a limit, as in --positive '>=10'"),
        (["0", "0.5", "1", "1.5"], {}, "by a limit"),
        (["A|B", "A", "C"], {}, "hold several findings in a cell (A|B): read each of them with"),
        (["A, B", "A", "C"], {}, "if 'A, B' is one class, write it without marks"),
        (["A", "B", "C", ""], {}, "every image must have a label; without (2)"),
        (["A", "B", "C", ""], {"missing": "negative"}, "of several classes none is negative"),
        (["A", "B", "C"], {"positive": "A"}, "keep two, or name the negative one"),
    ],
)
def test_values_that_are_no_clear_classes_are_refused(
    write: Write, values: list[str], options: dict[str, str], message: str
) -> None:
    [problem] = problems_of(write({"label": values}, **options))
    assert message in problem


def test_an_image_without_a_class_can_be_left_out(write: Write) -> None:
    cohort = read_cohort(write({"label": ["A", "B", "C", "?"]}, missing="drop"))
    assert len(cohort.labels) == 6
    assert "2 missing labels left out" in cohort.notes[0]
    assert cohort.unused == ("2 missing labels left out",)


def test_labels_that_are_used_are_not_among_the_unused(write: Write) -> None:
    labels = ["left out", "passed over", "", "old"]
    classes = {"positive": "left out", "negative": "passed over"}
    cohort = read_cohort(write({"label": labels}, **classes, missing="negative"))
    assert "positive is label = left out (" in cohort.notes[0]
    assert cohort.unused == ("2 of other labels left out: old",)


def test_a_column_per_finding_is_read_finding_by_finding(write: Write) -> None:
    columns = {"mass": ["1.0", "0", "-1", ""], "nodule": ["no", "yes"], "edema": ["0"]}
    asked = write(columns, label_column="mass,nodule,edema")
    missing, uncertain = problems_of(asked)
    assert "of each finding; without: mass (2). Add the labels" in missing
    assert "-1 (uncertain): mass (2). Say with --uncertain" in uncertain
    cohort = read_cohort(asked.model_copy(update={"missing": "drop", "uncertain": "drop"}))
    assert labels_of(cohort) == {
        "mass": [1, 0, -1, -1] * 2,
        "nodule": [0, 1] * 4,
        "edema": [0] * 8,
    }
    assert "label" not in cohort.found_by
    assert "3 findings, a column each; positive is 1" in cohort.notes[0]
    assert "2 missing labels left out of their finding alone" in cohort.notes[0]
    of_both = tuple(
        f"2 {what} labels left out of their finding alone" for what in ("missing", "uncertain")
    )
    assert cohort.unused == of_both
    counted = read_cohort(asked.model_copy(update={"missing": "negative", "uncertain": "positive"}))
    assert labels_of(counted)["mass"] == [1, 0, 1, 0] * 2
    assert counted.unused == ()
    for rule, name in zip(cohort.label_rules, columns, strict=True):
        assert rule.finding == name
        assert rule.judge(pd.Series(["1", "no", ""])).values.tolist() == [1, 0, -1]


def test_too_few_patients_are_told_beside_labels_that_are_open(write: Write) -> None:
    columns = {"mass": ["1", "0", "-1", ""], "nodule": ["0"], "edema": ["1", ""], "gas": [""]}
    asked = write(columns, label_column="mass,nodule,edema,gas")
    _, _, too_few = problems_of(asked, num_folds=3)
    assert too_few.startswith("3 patients of each class are needed, one per fold; nodule")
    assert "; nodule (positive): 0, gas (positive): 0. Add images, or leave out" in too_few
    *_, of_five = problems_of(asked, num_folds=5)  # edema has four of each at most
    assert "mass (positive): 4" in of_five
    assert "edema (positive): 4, edema (negative)" not in of_five
    assert "edema (negative): 4, edema (positive): 4, gas" in of_five
    _, one = problems_of(write({"died": ["1", "0", *[""] * 6]}, label_column="died"), num_folds=3)
    assert "died" not in one
    assert "positive (1): 1" in one


def test_an_image_of_which_nothing_is_known_is_left_out(write: Write) -> None:
    asked = write({"a": ["1", "0", ""], "b": ["0", "1", ""]}, label_column="a,b", missing="drop")
    assert len(read_cohort(asked).labels) == 6


def test_columns_of_other_words_are_read_each_or_refused_by_name(write: Write) -> None:
    columns = {"a": ["present", "absent"], "b": ["yes", "no"], "c": ["1", "2", "3"]}
    problems = problems_of(write(columns, label_column="a,b,c"))
    assert [problem.split(":")[0] for problem in problems] == ["a", "c"]
    assert all(problem.endswith("; or write its labels as 1 and 0") for problem in problems)
    asked = write({"a": ["there", "not"], "b": ["not", "there"]}, label_column="a,b")
    two = asked.model_copy(update={"positive": "there"})
    assert labels_of(read_cohort(two)) == {"a": [1, 0] * 4, "b": [0, 1] * 4}


def test_names_of_columns_may_have_commas_and_wrong_ones_are_named_together(write: Write) -> None:
    columns = {"lung, left": ["1", "0"], "lung, right": ["0", "1"]}
    cohort = read_cohort(write(columns, label_column="lung, left,lung, right"))
    assert cohort.findings.names == ("lung, left", "lung, right")
    one, other = problems_of(write({"mass": ["1"], "nodule": ["0"]}, label_column="mas,nodul"))
    assert "'mas' is not; did you mean 'mass'?" in one
    assert "'nodul' is not; did you mean 'nodule'?" in other
    [comma] = problems_of(write({"mass": ["1", "0"]}, label_column="mass,,"))
    assert "'mass,,' has a comma too many: drop it" in comma
    both = problems_of(write({"a": ["1", "0"], "b": ["0"]}, label_column="a,b", findings="all"))
    assert "drop one of them" in both[0]


@pytest.mark.parametrize("mark", ["|", ";", ",", "/"])
def test_findings_in_a_cell_are_labels_that_can_stand_together(write: Write, mark: str) -> None:
    cells = {"finding": [f"Mass{mark}Effusion", "No Finding", "effusion", "Mass"]}
    cohort = read_cohort(write(cells, findings="all"))
    assert [name.lower() for name in cohort.findings.names] == ["effusion", "mass"]
    assert cohort.labels[:4].tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
    assert "2 findings in the cells of finding; No Finding: none of them" in cohort.notes[0]
    assert cohort.found_by["label"] == "finding"


def test_findings_in_a_python_list_are_read(write: Write) -> None:
    cells = {"finding": ["['mass', 'lung nodule']", "['normal']", "[]", "['mass']"]}
    cohort = read_cohort(write(cells, findings="all"))
    assert labels_of(cohort) == {"lung nodule": [1, 0, 0, 0] * 2, "mass": [1, 0, 0, 1] * 2}


def test_findings_can_be_chosen_and_wrong_ones_are_named_together(write: Write) -> None:
    cells = {"finding": ["Mass|Effusion", "No Finding", "Nodule", "Mass"]}
    cohort = read_cohort(write(cells, findings="nodule,Mass"))
    assert cohort.findings == Findings(("Nodule", "Mass"))
    with_none = read_cohort(write(cells, findings="No Finding,Mass"))
    assert labels_of(with_none)["No Finding"] == [0, 1, 0, 0] * 2
    one, other = problems_of(write(cells, findings="Nodul,Mass,Efusion"))
    assert "'Nodul' is not; did you mean 'Nodule'?" in one
    assert "'Efusion' is not; did you mean 'Effusion'?" in other
    [comma] = problems_of(write(cells, findings="Mass,"))
    assert "'Mass,' has a comma too many: drop it" in comma
    [problem] = problems_of(write(cells, findings="all", positive="Mass"))
    assert "--positive and --negative for one alone: drop one of them" in problem
    [problem] = problems_of(write({"label": ["0", "1"]}, findings="all"))
    assert "--findings reads names of findings in the cells of a column; label has 0, 1." in problem
    [problem] = problems_of(write({"label": ["yes", "no", "unsure"]}, findings="all"))
    assert "label has no, unsure, yes. Name another one" in problem


def test_one_finding_that_is_chosen_is_read_as_the_only_one(write: Write) -> None:
    cells = {"finding": ["Mass|Effusion", "No Finding", "Nodule", "Mass"]}
    chosen = read_cohort(write(cells, findings="Mass"))
    alone = read_cohort(write(cells, positive="Mass", negative="rest"))
    assert chosen.label_rules == alone.label_rules
    assert chosen.notes == alone.notes


def test_an_image_has_each_finding_that_one_of_its_rows_has(write: Write, tmp_path: Path) -> None:
    asked = write({"finding": ["Mass", "Nodule"]}, findings="all")
    rows = ["x0.png,Mass", "x0.png,Nodule", "x1.png,No finding", "x2.png,Mass", "x3.png,Nodule"]
    (tmp_path / "t.csv").write_text("\n".join(["image,finding", *rows]))
    cohort = read_cohort(asked)
    assert labels_of(cohort) == {"Mass": [1, 0, 1, 0], "Nodule": [1, 0, 0, 1]}
    assert any("it has a finding if one of its rows has" in note for note in cohort.notes)


def test_rows_of_an_image_know_together_what_one_of_them_knows(
    write: Write, tmp_path: Path
) -> None:
    asked = write({"a": ["1"], "b": ["1"]}, label_column="a,b", missing="drop")
    rows = ["x0.png,1,", "x0.png,,0", "x1.png,0,1", "x2.png,,1"]
    (tmp_path / "t.csv").write_text("\n".join(["image,a,b", *rows]))
    assert labels_of(read_cohort(asked)) == {"a": [1, 0, -1], "b": [0, 1, 1]}


def test_views_of_an_examination_know_its_labels_together(write: Write, tmp_path: Path) -> None:
    asked = write({"a": ["1"]}, label_column="a,b", missing="drop")
    asked = asked.model_copy(update={"views": 2, "view_column": "none"})
    rows = ["x0.png,e,1,", "x1.png,e,,0", "x2.png,f,0,1"]
    (tmp_path / "t.csv").write_text("\n".join(["image,exam,a,b", *rows]))
    assert read_cohort(asked).labels.tolist() == [[1, 0], [0, 1]]
    (tmp_path / "t.csv").write_text("\n".join(["image,exam,a,b", *rows, "x3.png,f,0,0"]))
    [problem] = problems_of(asked)
    assert "an examination must have one label of b; with more: f" in problem


def test_three_class_folders_are_classes(tmp_path: Path, write_images: WriteImages) -> None:
    names = [f"{name}/{n}.png" for name in ("COVID", "Normal", "Viral Pneumonia") for n in (1, 2)]
    write_images(tmp_path, names)
    cohort = read_cohort(DataOptions(data=tmp_path))
    assert cohort.findings == Findings(("COVID", "Normal", "Viral Pneumonia"), exclusive=True)
    assert labels_of(cohort)["Normal"] == [0, 0, 1, 1, 0, 0]
    assert "the classes are COVID (2), Normal (2), Viral Pneumonia (2)" in cohort.notes
    write_images(tmp_path, ["covid/1.png", "covid/2.png"])
    [problem] = problems_of(DataOptions(data=tmp_path))
    assert "these do not: COVID and covid" in problem
    both = problems_of(DataOptions(data=tmp_path, findings="all"))
    assert "--findings names findings in the cells of a table" in both[0]


def test_three_labels_in_file_names_are_classes(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, [f"{n}_{name}.png" for name in ("a", "b", "c") for n in (1, 2)])
    cohort = read_cohort(DataOptions(data=tmp_path, label_pattern="_(.)[.]"))
    assert cohort.findings == Findings(("a", "b", "c"), exclusive=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"label_column": "a,b"}, True),
        ({"findings": "a,b"}, True),
        ({"findings": "all"}, False),
        ({"label_column": "a"}, False),
        ({}, False),
    ],
)
def test_findings_are_asked_by_name_or_taken_as_they_are(
    options: dict[str, str], named: bool
) -> None:
    assert asked_by_name(DataOptions(**options)) is named


def test_the_first_lines_of_a_search_have_all_findings(write: Write) -> None:
    columns = {"mass": ["1", "0", "", "0"], "nodule": ["0", "1"]}
    cohort = read_cohort(write(columns, label_column="mass,nodule", missing="drop"))
    about, halves, heads, mass, nodule = cohort_lines(cohort, Scoring(f1_average="macro"))
    assert about.startswith("8 images of 8 patients, 2 findings; calling every image positive")
    assert about.endswith("scores macro F1 0.583")
    assert halves.split() == ["images", "patients"]
    assert heads.split()[1:4] == ["positive", "negative", "unknown"]
    assert mass.split() == ["mass", "2", "4", "2", "2", "4", "2"]
    assert nodule.split() == ["nodule", "4", "4", "0", "4", "4", "0"]


def test_findings_is_an_option_of_the_command() -> None:
    _, bound, _ = app.parse_args(shlex.split("--data t.csv --findings Effusion,Mass"))
    assert bound.arguments["options"].data.findings == "Effusion,Mass"


@pytest.mark.parametrize(("asked", "advice"), [("Mass,edema", "Mass,edema"), ("all", "A,B")])
def test_findings_in_columns_that_are_asked_for_as_cells_are_hinted_at(
    write: Write, asked: str, advice: str
) -> None:
    [problem] = problems_of(write({"Mass": ["1", "0"], "edema": ["0", "1"]}, findings=asked))
    assert f"or give --label-column {advice} alone, for a column per finding" in problem
