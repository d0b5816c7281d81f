"""Cohorts read from a table of labels."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest
from fixtures.cohorts import labels_of, patients_of, problems_of

from trainable.cohort.checks import check_cohort
from trainable.errors import Checks
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

NAMES = ["a.png", "b.png", "c.png"]
WriteImages = Callable[[Path, Iterable[str]], None]


@pytest.fixture
def csv(tmp_path: Path, write_images: WriteImages) -> Path:
    """A CSV yet to be written, with images beside it."""
    write_images(tmp_path, NAMES)
    return tmp_path / "train.csv"


def test_csv_is_read_in_its_order_with_every_file_hashed(xray_csv: Path) -> None:
    cohort = read_cohort(DataOptions(data=xray_csv))
    table, written = cohort.manifest, pd.read_csv(xray_csv, dtype=str)
    assert table["image"].tolist() == written["filename"].tolist()
    assert table["label"].astype(str).tolist() == written["died"].tolist()
    assert patients_of(cohort) == written["patientid"].tolist()
    assert cohort.classes == ("0", "1")
    assert not cohort.is_split
    for row in table.itertuples():
        assert row.path == str(xray_csv.parent / "chests" / str(row.image))
        assert row.sha256 == hashlib.sha256(Path(str(row.path)).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("image", "label", "patient"),
    [
        ("filename", "died", "patientid"),
        ("Image", "Output", "Patient ID"),
        ("Image Index", "Class", "subject_id"),
        ("path", "y", "PID"),
    ],
)
def test_columns_are_found_by_sensible_names(
    csv: Path, image: str, label: str, patient: str
) -> None:
    csv.write_text(f"age,{patient},{label},{image}\n5,p,0,a.png\n5,q,1,b.png\n5,q,1,c.png\n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"a.png": 0, "b.png": 1, "c.png": 1}
    assert patients_of(cohort) == ["p", "q", "q"]
    assert all(repr(name) in cohort.notes[0] for name in (image, label, patient))
    assert f"positive is {label} = 1 (2), negative is 0 (1)" in cohort.notes[0]


def test_two_columns_of_nearly_the_same_name_are_asked_for(csv: Path) -> None:
    csv.write_text("filename,Died,died,Patient ID,patient_id\na.png,0,1,p,x\nb.png,1,0,q,x\n")
    label, patient = problems_of(DataOptions(data=csv))
    assert "Died, died; name it with --label-column" in label
    assert "Patient ID, patient_id; name it with --patient-column" in patient


def test_a_column_that_may_hold_the_labels_too_is_named(csv: Path) -> None:
    csv.write_text("filename,died,outcome\na.png,0,1\nb.png,1,0\n")
    assert any("'outcome' is not read" in note for note in read_cohort(DataOptions(data=csv)).notes)
    named = read_cohort(DataOptions(data=csv, label_column="outcome"))
    assert not any("is not read" in note for note in named.notes)


@pytest.mark.parametrize("word", ["", "NA", "Unknown"])
def test_patients_that_are_not_known_are_not_one_patient(csv: Path, word: str) -> None:
    csv.write_text(f"filename,died,patient\na.png,0,{word}\nb.png,0,{word}\nc.png,1,p\n")
    (problem,) = problems_of(DataOptions(data=csv))
    assert "without (2): a.png, b.png" in problem
    assert word in problem


def test_patients_of_nearly_the_same_name_are_named(csv: Path) -> None:
    csv.write_text("filename,died,patient\na.png,0,P1\nb.png,0,p1\nc.png,1,p2\n")
    notes = read_cohort(DataOptions(data=csv)).notes
    assert any("different ones (1): P1 and p1" in note for note in notes)


def test_columns_that_are_named_win_over_columns_that_are_found(csv: Path) -> None:
    csv.write_text("filename,died,patient,x,y,z\nno,9,9,a.png,0,p\nno,9,9,b.png,1,p\n")
    source = DataOptions(data=csv, image_column="x", label_column="y", patient_column="z")
    assert labels_of(read_cohort(source)) == {"a.png": 0, "b.png": 1}
    assert patients_of(read_cohort(source)) == ["p", "p"]


def test_wrong_column_is_refused_with_the_nearest_name(csv: Path) -> None:
    csv.write_text("filename,died\na.png,0\nb.png,1\n")
    source = DataOptions(data=csv, image_column="filname", label_column="dide", patient_column="q")
    image, label, patient = problems_of(source)
    assert "--image-column" in image
    assert "did you mean 'filename'?" in image
    assert "did you mean 'died'?" in label
    assert "choose from: filename, died" in patient


def test_both_columns_that_cannot_be_found_are_named(csv: Path) -> None:
    csv.write_text("foo,bar\na.png,0\n")
    image, label = problems_of(DataOptions(data=csv))
    assert "--image-column" in image
    assert "--label-column" in label
    assert "foo, bar" in label


def test_a_column_that_names_no_file_is_not_one_of_images(csv: Path) -> None:
    csv.write_text("image,filename,died\nChest PA,a.png,0\nChest PA,b.png,1\nChest AP,c.png,1\n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"a.png": 0, "b.png": 1, "c.png": 1}
    assert any("'image' names no image that is there; 'filename' does" in n for n in cohort.notes)


def test_images_are_found_in_a_column_of_any_name(csv: Path) -> None:
    csv.write_text("Aufnahme,died,n\na.png,0,1\nb.png,1,1\nc.png,1,2\n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"a.png": 0, "b.png": 1, "c.png": 1}
    assert "image in 'Aufnahme'" in cohort.notes[0]


def test_where_no_column_names_a_file_the_refusal_says_how_to_name_it(csv: Path) -> None:
    csv.write_text("image,died\nChest PA,0\nChest PA,1\n")
    (problem,) = problems_of(DataOptions(data=csv))
    assert ": Chest PA. Name their folder with --images, or their column with --image-" in problem


@pytest.mark.parametrize("folder", ["", "train", "images", "train/deep/er"])
def test_images_are_found_beside_the_csv(
    tmp_path: Path, write_images: WriteImages, folder: str
) -> None:
    write_images(tmp_path / folder, NAMES)
    prefix = "deep/er/" if folder.endswith("er") else ""
    (tmp_path / "train.csv").write_text(f"name,died\n{prefix}a.png,0\n{prefix}b.png,1\n")
    paths = read_cohort(DataOptions(data=tmp_path / "train.csv")).manifest["path"]
    assert paths.tolist() == [str(tmp_path / folder / name) for name in NAMES[:2]]


def test_images_folder_can_be_named(tmp_path: Path, csv: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "elsewhere", NAMES)
    csv.write_text("name,died\na.png,0\nb.png,1\n")
    cohort = read_cohort(DataOptions(data=csv, images=tmp_path / "elsewhere"))
    assert {Path(path).parent.name for path in cohort.manifest["path"]} == {"elsewhere"}


def test_names_without_endings_and_with_dots_are_found(
    csv: Path, write_images: WriteImages
) -> None:
    write_images(csv.parent, ["1.2.840.jpeg", "1.2.841.JPG"])
    csv.write_text("name,died\n1.2.840,0\n1.2.841,1\na,1\n")
    paths = read_cohort(DataOptions(data=csv)).manifest["path"]
    assert [Path(path).name for path in paths] == ["1.2.840.jpeg", "1.2.841.JPG", "a.png"]


def test_missing_images_labels_and_patients_are_listed_all_at_once(csv: Path) -> None:
    csv.write_text("name,died,patient\na.png,,p\nno1.png,0,p\nno2.png,1,\nb.png,NA,q\n")
    labels, patients, images = problems_of(DataOptions(data=csv))
    assert "2 of 4" in images
    assert "no1.png, no2.png" in images
    assert "a.png, b.png" in labels
    assert "no2.png" in patients


@pytest.mark.parametrize(
    ("negative", "positive"),
    [("0", "1"), ("no", "yes"), ("No", "Yes"), ("FALSE", "TRUE"), ("alive", "dead"), ("n", "y")],
)
def test_known_labels_need_no_positive(csv: Path, negative: str, positive: str) -> None:
    csv.write_text(f"name,died\na.png,{positive}\nb.png, {negative} \n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"a.png": 1, "b.png": 0}
    assert cohort.classes == (negative, positive)


@pytest.mark.parametrize("positive", ["mild", "severe", "0", "1"])
def test_positive_can_be_chosen(csv: Path, positive: str) -> None:
    labels = ("0", "1") if positive in "01" else ("mild", "severe")
    csv.write_text(f"name,died\na.png,{labels[0]}\nb.png,{labels[1]}\n")
    cohort = read_cohort(DataOptions(data=csv, positive=positive))
    assert labels_of(cohort) == {"a.png": positive == labels[0], "b.png": positive == labels[1]}
    assert cohort.classes[1] == positive


@pytest.mark.parametrize(
    ("labels", "positive", "message"),
    [
        ("0 1 2", None, "found 3: 0, 1, 2; keep two"),
        ("0 1 2", "1", "found 3: 0, 1, 2; keep two"),
        ("1 1 1", None, "found 1: 1; images of both classes are needed"),
        ("mild severe mild", None, "name the positive one with --positive"),
        ("mild severe mild", "sever", "did you mean 'severe'?"),
    ],
)
def test_labels_that_are_no_two_known_classes_are_refused(
    csv: Path, labels: str, positive: str | None, message: str
) -> None:
    rows = [f"{name},{label}" for name, label in zip(NAMES, labels.split(), strict=True)]
    csv.write_text("\n".join(["name,died", *rows]))
    (problem,) = problems_of(DataOptions(data=csv, positive=positive))
    assert message in problem


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"name,died\na.png,0\nb.png,1,2,3\n"]
)
def test_file_that_is_no_table_is_refused(csv: Path, content: bytes) -> None:
    csv.write_bytes(content)
    (problem,) = problems_of(DataOptions(data=csv))
    assert "--data must be a table of comma-separated values" in problem


@pytest.mark.parametrize("data", [None, Path("/nowhere/train.csv")])
def test_data_must_be_named_and_there(data: Path | None) -> None:
    (problem,) = problems_of(DataOptions(data=data))
    assert "demo" in problem


def test_unreadable_images_are_told_beside_missing_ones(csv: Path) -> None:
    (csv.parent / "a.png").write_bytes(b"no image")
    csv.write_text("filename,died\na.png,0\nabsent.png,1\n")
    missing, unreadable = problems_of(DataOptions(data=csv))
    assert "not found" in missing
    assert "a.png (no image, or of a kind that is not read)" in unreadable


LONG = "name,finding\na.png,Effusion\na.png,Mass\nb.png,No Finding\nc.png,Mass\nc.png,Mass\n"


def test_against_the_rest_an_image_is_positive_if_one_of_its_rows_is(csv: Path) -> None:
    csv.write_text(LONG)
    cohort = read_cohort(DataOptions(data=csv, positive="Mass", negative="rest"))
    assert labels_of(cohort) == {"a.png": 1, "b.png": 0, "c.png": 1}
    assert any("5 rows for 3 images, 2 of them positive" in note for note in cohort.notes)
    cohort = read_cohort(DataOptions(data=csv, positive="rest", negative="No Finding"))
    assert labels_of(cohort) == {"a.png": 1, "b.png": 0, "c.png": 1}


def test_rows_that_agree_are_one_image(csv: Path) -> None:
    csv.write_text("name,died,age,patient\na.png,0,5,p\na,0,7,p\nb.png,1,6,q\nb.png,1,6,q\n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"a.png": 0, "b.png": 1}
    assert any("4 rows for 2 images, each image counts once" in note for note in cohort.notes)
    assert any("rows of 1 image differ in age; the first" in note for note in cohort.notes)


@pytest.mark.parametrize("rows", ["a.png,0,p\na.png,1,p", "a.png,0,p\na.png,0,q"])
def test_rows_that_contradict_each_other_are_left_to_be_refused(csv: Path, rows: str) -> None:
    csv.write_text(f"name,died,patient\n{rows}\nb.png,1,r\n")
    checks = Checks()
    check_cohort(read_cohort(DataOptions(data=csv)), 1, False, checks)
    assert "with several: a.png" in checks.problems[0]
