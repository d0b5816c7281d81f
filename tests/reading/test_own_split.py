"""A table may have a split of its own, and columns that say what rows are for."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fixtures.cohorts import problems_of

from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]
SIDES = ["train", "train", "Validate", "Validate", "TEST", "TEST"]


@pytest.fixture
def table(tmp_path: Path, write_images: WriteImages) -> Callable[..., Path]:
    """Writes a table of six images with further columns."""
    names = [f"{number}.png" for number in range(6)]
    write_images(tmp_path, names)

    def write(**columns: list[str]) -> Path:
        read = {"image": names, "died": list("010101"), **columns}
        rows = [",".join(read), *map(",".join, zip(*read.values(), strict=True))]
        (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
        return tmp_path / "t.csv"

    return write


@pytest.mark.parametrize("column", ["split", "Set Id", "any name"])
def test_the_split_of_a_table_is_kept_or_named(table: Callable[..., Path], column: str) -> None:
    data = table(**{column: SIDES})
    kept = read_cohort(DataOptions(data=data, split="keep"))
    assert kept.manifest["split"].tolist() == [*["train"] * 2, *["valid"] * 2, *["test"] * 2]
    assert f"split in {column!r}" in kept.notes[0]
    merged = read_cohort(DataOptions(data=data))
    assert not merged.is_split
    said = f"the column {column!r} (train 2, Validate 2, TEST 2) is not used"
    assert any(said in note and "--split keep" in note for note in merged.notes)
    assert not any(column in n for n in read_cohort(DataOptions(data=data, split="merge")).notes)


def test_one_of_two_splits_is_named(table: Callable[..., Path]) -> None:
    data = table(split=SIDES, other=SIDES[::-1])
    (problem,) = problems_of(DataOptions(data=data, split="keep"))
    assert "it may be split, other; name it with --split-column" in problem
    kept = read_cohort(DataOptions(data=data, split="keep", split_column="other"))
    assert kept.manifest["split"].tolist()[0] == "test"


def test_a_table_may_have_a_test_part_alone(table: Callable[..., Path]) -> None:
    data = table(split=["test", "Training"] * 3)
    kept = read_cohort(DataOptions(data=data, split="keep"))
    assert kept.manifest["split"].tolist() == ["test", "train"] * 3
    assert (kept.has_test, kept.has_one_fold) == (True, False)
    notes = read_cohort(DataOptions(data=data)).notes
    assert any("'split' (test 3, Training 3) is not used" in note for note in notes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train"] * 6, "needs rows of train, and rows of val or test or both, in 'split'; it has"),
        (["val"] * 4 + ["test"] * 2, "needs rows of train"),
        ([*SIDES[:4], "", "extra"], "it also has blank 1, extra 1"),
    ],
)
def test_a_split_that_trials_cannot_be_scored_on_is_refused(
    table: Callable[..., Path], values: list[str], message: str
) -> None:
    (problem,) = problems_of(DataOptions(data=table(split=values), split="keep"))
    assert message in problem


@pytest.mark.parametrize("column", ["fold", "cv_fold", "exclude", "Image Quality"])
def test_a_column_that_says_what_rows_are_for_is_named(
    table: Callable[..., Path], column: str
) -> None:
    notes = read_cohort(DataOptions(data=table(**{column: list("001122")}))).notes
    assert any(f"the column {column!r} (0 2, 1 2, 2 2) is not read" in note for note in notes)


@pytest.mark.parametrize("column", ["deid_patient_id", "participant_id", "record_id", "MRN"])
def test_patients_are_found_under_the_names_of_other_people(
    table: Callable[..., Path], column: str
) -> None:
    cohort = read_cohort(DataOptions(data=table(**{column: list("aabbcc")})))
    assert cohort.manifest["patient"].tolist() == list("aabbcc")


@pytest.mark.parametrize(
    ("column", "values", "is_named"),
    [
        ("Kennung", ["x1", "x1", "x2", "x2", "x3", "x3"], True),
        ("Fall-Nr", list("112233"), True),
        ("row_no", list("123456"), False),
        ("width", ["2021", "2021", "2500", "2500", "2048", "2048"], False),
        ("report", ["a long text of more than forty characters"] * 3 + list("xyz"), False),
    ],
)
def test_a_column_whose_values_come_again_may_hold_the_patients(
    table: Callable[..., Path], column: str, values: list[str], is_named: bool
) -> None:
    notes = read_cohort(DataOptions(data=table(**{column: values}))).notes
    assert any("no patients given" in note for note in notes)
    assert any(f"values come again in {column!r}" in note for note in notes) == is_named
