"""Tables whose images are the views of examinations."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search.options.options import SearchOptions
from search.plan.planner import plan_again, plan_search
from search.terminal.plan_lines import plan_lines
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import make_folds
from trainable.errors import InputError
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]

ROWS = [
    # name, exam, view, patient, died
    ("a.png", "e2", "lateral", "p1", 1),
    ("b.png", "e1", "frontal", "p2", 0),
    ("c.png", "e2", "frontal", "p1", 1),
    ("d.png", "e3", "lateral", "p1", 1),
    ("e.png", "e1", "lateral", "p2", 0),
    ("f.png", "e4", "frontal", "p3", 0),
]
TABLE = pd.DataFrame(ROWS, columns=["name", "study_id", "View Position", "patient", "died"])


@pytest.fixture
def write(tmp_path: Path, write_images: WriteImages) -> Callable[[pd.DataFrame], Path]:
    """Writes a table beside its images."""

    def write_table(table: pd.DataFrame) -> Path:
        write_images(tmp_path, table["name"])
        table.to_csv(tmp_path / "train.csv", index=False)
        return tmp_path / "train.csv"

    return write_table


Write = Callable[[pd.DataFrame], Path]


def problems_of(source: DataOptions) -> tuple[str, ...]:
    with pytest.raises(InputError) as refusal:
        read_cohort(source)
    return refusal.value.problems


def names_of(cohort: Cohort) -> list[list[str | None]]:
    images = cohort.manifest["image"]
    return [[images[n] if n >= 0 else None for n in row] for row in cohort.exam_images.tolist()]


def test_views_are_placed_by_the_sorted_values_of_their_column(write: Write) -> None:
    cohort = read_cohort(DataOptions(data=write(TABLE), views=2))
    assert cohort.exams["exam"].tolist() == ["e2", "e1", "e3", "e4"]
    assert names_of(cohort) == [
        ["c.png", "a.png"],
        ["b.png", "e.png"],
        [None, "d.png"],
        ["f.png", None],
    ]
    assert cohort.labels[:, 0].tolist() == [1, 0, 1, 0]
    assert cohort.patients.tolist() == [0, 1, 0, 2]
    assert cohort.grouping.names == ("frontal", "lateral")
    assert "exam in 'study_id', view in 'View Position'" in cohort.notes[0]
    assert "4 examinations" in cohort.notes[-1]
    assert "1 lacks frontal, 1 lacks lateral" in cohort.notes[-1]


@pytest.mark.parametrize("view_column", ["none", None])
def test_without_a_column_views_are_placed_by_their_order(
    write: Write, view_column: str | None
) -> None:
    table = TABLE if view_column else TABLE.drop(columns="View Position")
    cohort = read_cohort(DataOptions(data=write(table), views=3, view_column=view_column))
    assert names_of(cohort) == [
        ["a.png", "c.png", None],
        ["b.png", "e.png", None],
        ["d.png", None, None],
        ["f.png", None, None],
    ]
    assert cohort.grouping.names == ()
    assert "2 lack view 2, 4 lack view 3" in cohort.notes[-1]


def test_without_views_every_image_is_an_examination(write: Write) -> None:
    cohort = read_cohort(DataOptions(data=write(TABLE)))
    assert cohort.exam_images.tolist() == [[0], [1], [2], [3], [4], [5]]
    assert cohort.labels[:, 0].tolist() == TABLE["died"].tolist()
    assert list(cohort.manifest.columns) == ["image", "path", "label", "patient", "split", "sha256"]


def test_all_that_is_wrong_with_examinations_is_said_at_once(write: Write) -> None:
    more = pd.DataFrame(
        [
            ("g.png", "e4", "frontal", "p3", 1),
            ("h.png", "e4", "oblique", "p4", 0),
        ],
        columns=TABLE.columns,
    )
    found = problems_of(DataOptions(data=write(pd.concat([TABLE, more])), views=2))
    starts = [
        "an examination may have 2 images, as --views says; with more: e4 (3)",
        "--views must be at least the number of views in 'View Position', 3 (frontal, lateral, "
        "oblique); got 2",
        "an examination may have one image of each view in 'View Position'; there are more: "
        "frontal of e4",
        "an examination must have one label; with more: e4",
        "an examination must have one patient; with more: e4",
    ]
    assert len(found) == len(starts)
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(start)


def test_an_examination_or_view_that_is_not_told_is_refused(write: Write) -> None:
    table = TABLE.copy()
    table.loc[1, "study_id"] = " "
    table.loc[3, "View Position"] = ""
    exam, view = problems_of(DataOptions(data=write(table), views=2))
    assert exam.endswith("an examination; without: b.png")
    assert view.endswith("a view; without: d.png")


def test_views_are_refused_where_nothing_groups_images(
    write: Write, write_images: WriteImages, tmp_path: Path
) -> None:
    csv = write(TABLE.drop(columns="study_id"))
    (problem,) = problems_of(DataOptions(data=csv, views=2))
    assert "--exam-column" in problem
    (problem,) = problems_of(DataOptions(data=csv, exam_column="patient"))
    assert "only with --views" in problem
    write_images(tmp_path / "folder", ["output_0/a.png", "output_1/b.png"])
    (problem,) = problems_of(DataOptions(data=tmp_path / "folder", views=2))
    assert "need a table" in problem


def test_examinations_without_patients_are_patients_of_their_own(write: Write) -> None:
    cohort = read_cohort(DataOptions(data=write(TABLE.drop(columns="patient")), views=2))
    assert cohort.patients.tolist() == [0, 1, 2, 3]
    assert any("every examination counts as its own patient" in note for note in cohort.notes)


def test_the_digest_changes_with_what_belongs_together(write: Write) -> None:
    table = TABLE.drop(columns="View Position")
    digests = {read_cohort(DataOptions(data=write(table), views=2)).digest}
    digests.add(read_cohort(DataOptions(data=write(table))).digest)
    table.loc[3, "study_id"] = "e5"
    digests.add(read_cohort(DataOptions(data=write(table), views=2)).digest)
    digests.add(read_cohort(DataOptions(data=write(TABLE), views=2)).digest)
    assert len(digests) == 4


def test_a_cohort_is_read_again_as_it_was_saved(write: Write, tmp_path: Path) -> None:
    table = TABLE.replace({"e1": "007", "e2": "08", "e3": "7", "e4": "1e3"})
    saved = read_cohort(DataOptions(data=write(table), views=2))
    saved.save(tmp_path)
    loaded = Cohort.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.manifest, saved.manifest, check_dtype=False)
    assert loaded.grouping == saved.grouping
    assert np.array_equal(loaded.exam_images, saved.exam_images)
    assert loaded.digest == saved.digest


def test_a_split_that_is_kept_is_one_of_examinations(write: Write) -> None:
    cohort = read_cohort(DataOptions(data=write(TABLE), views=2))
    sides = cohort.manifest["exam"].map(dict.fromkeys(["e1", "e2"], "train")).fillna("valid")
    labels = (cohort.manifest["exam"].isin(["e1", "e3"])).astype(int)
    manifest = cohort.manifest.assign(split=sides, label=labels)
    (fold,) = make_folds(dataclasses.replace(cohort, manifest=manifest), 5, 0)
    assert fold.train.tolist() == [0, 1]
    assert fold.valid.tolist() == [2, 3]


def test_examinations_are_split_and_searched_as_one_also_when_resumed(
    write: Write, tmp_path: Path
) -> None:
    rows = [
        (f"{exam}{view}.png", f"e{exam}", view, f"p{exam // 2}", exam // 2 % 2)
        for exam in range(16)
        for view in ("frontal", "lateral")
    ]
    table = pd.DataFrame(rows, columns=TABLE.columns).sample(frac=1, random_state=0)
    settings = SearchOptions.of(
        data=write(table), views=2, folds=3, repeats=1, image_size=32, weights="none",
        backbones=("squeezenet1_0",), cache=tmp_path / "cache",
    )  # fmt: skip
    first = plan_search(settings)
    first.cohort.save(tmp_path)
    again = plan_again(settings, first.space, Cohort.load(tmp_path))
    for prepared in (first, again):
        task, cohort = prepared.task, prepared.cohort
        assert len(task.data.paths) == 32
        assert task.data.exam_images.shape == (16, 2)
        scored = np.concatenate([fold.valid for fold in task.folds])
        assert sorted(scored) == list(range(16))
        for fold in task.folds:
            assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])
            assert np.array_equal(fold.valid, np.unique(fold.valid))
        assert next(plan_lines(prepared)).startswith("16 examinations of 8 patients, 8 pos")
    assert np.array_equal(first.task.data.exam_images, again.task.data.exam_images)
    for fold, same in zip(first.task.folds, again.task.folds, strict=True):
        assert np.array_equal(fold.valid, same.valid)
