"""Patients and views that DICOM files hold themselves, where the table has no column of them."""

from pathlib import Path

import numpy as np
import pytest
from fixtures.cohorts import patients_of, problems_of
from fixtures.dicoms import RAMP, dataset, written

from analysis.new_images import find_new_images
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

PATIENT = "dicom:PatientID"


def write_xrays(folder: Path) -> None:
    """Four images of two patients: each has one of each view, in one study."""
    folder.mkdir(parents=True)
    for number in range(4):
        view = {"PatientID": f"p{number // 2}", "ViewPosition": ("PA", "LL")[number % 2]}
        ids = {"StudyInstanceUID": f"1.2.{number // 2}"}
        data = written(dataset(np.roll(RAMP, number), **view, **ids))
        (folder / f"{number}.dcm").write_bytes(data)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    write_xrays(tmp_path / "images")
    csv = tmp_path / "t.csv"
    csv.write_text("image,label\n0,0\n1,0\n2.dcm,1\n3.dcm,1\n")
    return csv


def test_patients_are_read_from_the_files(csv: Path) -> None:
    cohort = read_cohort(DataOptions(data=csv, patient_column=PATIENT))
    assert patients_of(cohort) == ["p0", "p0", "p1", "p1"]
    assert cohort.found_by["patient"] == PATIENT


def test_examinations_and_views_are_read_from_the_files(csv: Path) -> None:
    source = DataOptions(
        data=csv, views=2, exam_column="dicom:StudyInstanceUID", view_column="dicom:ViewPosition"
    )
    cohort = read_cohort(source)
    assert cohort.grouping.names == ("LL", "PA")
    assert cohort.exam_images.tolist() == [[1, 0], [3, 2]]


def test_without_patients_a_note_says_that_the_files_have_them(csv: Path) -> None:
    assert f"--patient-column {PATIENT}" in read_cohort(DataOptions(data=csv)).notes[-1]


def test_class_folders_have_patients_in_their_files(tmp_path: Path) -> None:
    write_xrays(tmp_path / "images")
    for number in range(4):
        folder = tmp_path / "classes" / ("no", "yes")[number // 2]
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / f"{number}.dcm").rename(folder / f"IM{number}")
    cohort = read_cohort(DataOptions(data=tmp_path / "classes", patient_column=PATIENT))
    assert patients_of(cohort) == ["p0", "p0", "p1", "p1"]


def test_only_labelled_images_need_a_patient(csv: Path) -> None:
    csv.write_text("image,label\n0,0\n2,1\n4,\n")
    (csv.parent / "images" / "4.dcm").write_bytes(written(dataset()))
    source = DataOptions(data=csv, patient_column=PATIENT, missing="drop")
    assert patients_of(read_cohort(source)) == ["p0", "p1"]


def test_an_image_without_the_element_is_named(csv: Path) -> None:
    (csv.parent / "images" / "1.dcm").write_bytes(written(dataset()))
    source = DataOptions(data=csv, patient_column=PATIENT)
    (problem,) = problems_of(source)
    assert problem.startswith("every image must have a patient; without (1): 1. ")


def test_files_of_other_kinds_are_named(csv: Path) -> None:
    (csv.parent / "images" / "1.dcm").write_bytes(b"no DICOM")
    source = DataOptions(data=csv, patient_column=PATIENT)
    assert problems_of(source)[0] == f"{PATIENT} needs DICOM files; other files: 1"


def test_an_unknown_element_is_refused_with_the_nearest(csv: Path) -> None:
    (problem,) = problems_of(DataOptions(data=csv, patient_column="dicom:PatientId"))
    assert "did you mean 'PatientID'?" in problem


def test_a_column_is_refused_for_a_folder(tmp_path: Path) -> None:
    write_xrays(tmp_path / "no")
    write_xrays(tmp_path / "yes")
    (problem,) = problems_of(DataOptions(data=tmp_path, patient_column="patient"))
    assert "--patient-column patient names a column of a table" in problem
    assert "--patient-pattern" in problem


def test_new_examinations_have_their_views_in_their_files(csv: Path) -> None:
    source = DataOptions(
        data=csv, views=2, exam_column="dicom:StudyInstanceUID", view_column="dicom:ViewPosition"
    )
    cohort = read_cohort(source)
    table = csv.parent / "new.csv"
    table.write_text("image\n3\n0\n1\n2\n")
    new = find_new_images(table, None, cohort)
    assert new.table["exam"].tolist() == ["1.2.1", "1.2.0"]
    named = [[new.images[number] for number in numbers] for numbers in new.exam_images]
    assert named == [["3", "2"], ["1", "0"]]
    assert new.groups.tolist() == ["p1", "p0"]
