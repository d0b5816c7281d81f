"""Covariates of a table: found, kept for each examination, or named as useless."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import problems_of
from fixtures.dicoms import RAMP, dataset, written
from PIL import Image

from trainable.cohort.cohort import Cohort
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

TABLE = pd.DataFrame(
    {
        "image": [f"{number}.png" for number in range(12)],
        "label": [0, 1] * 6,
        "patient": [f"p{number // 2}" for number in range(12)],
        "Patient Age": ["71", "62,5", "055Y", "006M", "unknown", "30", "31", "32", *["40"] * 4],
        "Sex": ["F", "m", "M", "f", "", "F", *["M"] * 6],
        "site": ["A"] * 12,
        "ward": ["", *["one"] * 11],
        "code": [*"010101", *"222222"],
        "doi": [f"10.1/{number}" for number in range(12)],
    }
)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    for number, name in enumerate(TABLE["image"]):
        Image.new("L", (40, 40), 20 * number).save(tmp_path / "t" / name)
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def read(csv: Path, covariates: str | None = None, views: int = 1) -> Cohort:
    return read_cohort(DataOptions(data=csv, covariates=covariates, views=views))


def test_columns_are_found_by_their_usual_names_and_read_by_their_values(csv: Path) -> None:
    cohort = read(csv)
    found = cohort.covariates
    assert list(found) == ["Patient Age", "Sex"]
    ages = found["Patient Age"]
    assert ages[:5].tolist() == pytest.approx([71, 62.5, 55, 0.5, np.nan], nan_ok=True)
    sexes = found["Sex"].fillna("?").tolist()
    assert sexes == ["F", "m", "m", "F", "?", "F", *["m"] * 6]
    assert "Patient Age (0.5 to 71, 1 missing), Sex (F, m, 1 missing)" in " ".join(cohort.notes)
    assert "left out: site (one value)" in " ".join(cohort.notes)


def test_ages_that_are_limits_are_read_as_their_numbers_and_told(csv: Path) -> None:
    limits = ["90+", ">89", "≥ 90", "85 or more", "90 years and older", "<1", ">=90", "90 +"]
    table = TABLE.assign(**{"Patient Age": [*limits, "71", "62,5", "30", "31"]})
    table.to_csv(csv, index=False)
    cohort = read(csv)
    ages = cohort.covariates["Patient Age"]
    assert ages.tolist() == [90, 89, 90, 85, 90, 1, 90, 90, 71, 62.5, 30, 31]
    (told,) = [note for note in cohort.notes if "limits" in note]
    assert "Patient Age" in told
    assert all(f"{cell} (1)" in told for cell in limits)
    # groups of ages are no numbers
    table["Patient Age"] = ["0-10", "10-20", "90+"] * 4
    table.to_csv(csv, index=False)
    assert sorted(set(read(csv).covariates["Patient Age"])) == ["0-10", "10-20", "90+"]


def test_columns_that_are_named_are_read_and_the_useless_ones_told(csv: Path) -> None:
    cohort = read(csv, "ward,code,doi")
    assert list(cohort.covariates) == ["ward", "code"]  # the ward is known, or not
    assert sorted(set(cohort.covariates["code"])) == ["0", "1", "2"]
    assert "doi (12 different texts for 6 patients)" in cohort.notes[-1]
    assert read(csv, "none").covariates.shape == (12, 0)


def test_a_run_folder_keeps_the_columns_as_text(csv: Path, tmp_path: Path) -> None:
    cohort = read(csv, "code,Sex,Patient Age")
    cohort.save(tmp_path)
    pd.testing.assert_frame_equal(Cohort.load(tmp_path).covariates, cohort.covariates)
    assert cohort.digest != read(csv, "none").digest  # what a head may see is part of it


def test_an_examination_has_one_value_of_each_column(csv: Path) -> None:
    table = TABLE.assign(exam=TABLE["patient"], side=["L", "R"] * 6)
    table["label"] = table["patient"].isin(["p0", "p1"]).astype(int)
    table["group"] = table["patient"].map({"p0": "x"}).fillna("y")
    table.to_csv(csv, index=False)
    cohort = read(csv, "side,group", views=2)
    assert cohort.covariates["group"].tolist() == ["x", *["y"] * 5]
    assert "side (differs within examinations)" in " ".join(cohort.notes)


def test_names_that_are_no_further_column_are_refused_together(csv: Path) -> None:
    source = DataOptions(data=csv, covariates="sexx,label,image")
    found = " ".join(problems_of(source))
    assert "'sexx' is not; did you mean 'Sex'" in found
    assert "'label' is already in use" in found
    folders = csv.parent / "folders"
    for name in ("no", "yes"):
        (folders / name).mkdir(parents=True)
        Image.new("L", (40, 40)).save(folders / name / "a.png")
    asked = DataOptions(data=folders, covariates="sex")
    assert "--covariates sex names columns of a table" in " ".join(problems_of(asked))


def test_columns_may_be_in_dicom_files(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for number in range(4):
        data = written(dataset(np.roll(RAMP, number), PatientSex="MF"[number % 2]))
        (tmp_path / "t" / f"{number}.dcm").write_bytes(data)
    csv = tmp_path / "t.csv"
    csv.write_text("image,label\n0.dcm,0\n1.dcm,0\n2.dcm,1\n3.dcm,1\n")
    found = read(csv, "dicom:PatientSex").covariates
    assert found["dicom:PatientSex"].tolist() == ["M", "F", "M", "F"]
