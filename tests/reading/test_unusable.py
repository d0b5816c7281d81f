"""Images that are absent or damaged are left out if the user says so, and are listed."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest
from fixtures.cohorts import labels_of, problems_of

from trainable.cohort.cohort import Cohort
from trainable.cohort.left_out import LeftOut
from trainable.commands.sorted_folder import sort_images
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]


@pytest.fixture
def table(tmp_path: Path, write_images: WriteImages) -> Path:
    """A table of eight images: one absent, one empty, one of another kind, and five whole ones."""
    names = [f"{number}.png" for number in range(6)]
    write_images(tmp_path / "images", names)
    (tmp_path / "images" / "5.png").write_bytes(b"")
    (tmp_path / "images" / "7.nii.gz").write_bytes(b"x")
    rows = [f"{name},{number % 2}" for number, name in enumerate([*names, "6.png", "7.nii.gz"])]
    (tmp_path / "t.csv").write_text("\n".join(["image,died", *rows]) + "\n")
    return tmp_path / "t.csv"


def test_what_cannot_be_used_is_left_out_and_listed(table: Path, tmp_path: Path) -> None:
    cohort = read_cohort(DataOptions(data=table, unusable="drop"))
    assert labels_of(cohort) == {"0.png": 0, "1.png": 1, "2.png": 0, "3.png": 1, "4.png": 0}
    damaged = LeftOut("5.png", str(tmp_path / "images" / "5.png"), "the file is empty")
    others = {"6.png": "not found", "7.nii.gz": "of a kind that is not read"}
    assert set(cohort.left_out) == {damaged, *(LeftOut(n, "", why) for n, why in others.items())}
    [note] = [note for note in cohort.notes if "left out" in note]
    assert note.startswith("3 of 8 images are left out: ")
    assert "not found (1): 6.png" in note
    assert note.endswith("; left_out.csv lists all of them")
    assert "positive is died = 1 (2), negative is 0 (3)" in cohort.notes[0]


def test_the_list_is_kept_with_the_cohort(table: Path, tmp_path: Path) -> None:
    cohort = read_cohort(DataOptions(data=table, unusable="drop"))
    cohort.save(tmp_path)
    assert Cohort.load(tmp_path).left_out == cohort.left_out
    noted = dataclasses.replace(cohort, unused=("2 missing labels left out",))
    noted.save(tmp_path)
    assert Cohort.load(tmp_path).unused == noted.unused
    assert len(pd.read_csv(tmp_path / "left_out.csv")) == 3
    sort_images(cohort, tmp_path / "sorted")
    assert len(pd.read_csv(tmp_path / "sorted" / "left_out.csv")) == 3


def test_each_refusal_names_the_option(table: Path) -> None:
    kind, absent, damaged = problems_of(DataOptions(data=table))
    assert all("--unusable drop" in problem for problem in (kind, absent, damaged))


def test_where_nothing_can_be_used_all_is_refused(table: Path, tmp_path: Path) -> None:
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    (problem,) = problems_of(DataOptions(data=table, unusable="drop"))
    assert "8 of 8 are not found" in problem


def test_damaged_images_in_class_folders_are_left_out(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["0/a.png", "1/b.png", "1/c.png"])
    (tmp_path / "1" / "c.png").write_bytes(b"cut")
    cohort = read_cohort(DataOptions(data=tmp_path, unusable="drop"))
    assert labels_of(cohort) == {"0/a.png": 0, "1/b.png": 1}
    assert [one.image for one in cohort.left_out] == ["1/c.png"]
    assert "1 positive and 1 negative ones remain" in cohort.notes
