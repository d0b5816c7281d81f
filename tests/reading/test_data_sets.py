"""Public data sets are read by themselves."""

import gzip
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fixtures.cohorts import labels_of, patients_of, problems_of

from search.command import app
from trainable.cohort.checks import check_cohort
from trainable.cohort.findings import Findings
from trainable.errors import Checks
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]


def test_covid_chestxray_dataset(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "images", ["a.png", "b.png", "c.png"])
    (tmp_path / "metadata.csv").write_text(
        "patientid,sex,age,finding,survival,view,modality,folder,filename\n"
        "1,M,60,COVID,Y,PA,X-ray,images,a.png\n1,M,60,COVID,N,AP,X-ray,images,b.png\n"
        "2,F,60,SARS,,AP,X-ray,images,c.png\n3,F,60,SARS,Y,Axial,CT,volumes,d.nii.gz\n"
    )
    cohort = read_cohort(DataOptions(data=tmp_path / "metadata.csv"))
    assert labels_of(cohort) == {"a.png": 0, "b.png": 1}
    assert patients_of(cohort) == ["1", "1"]
    assert "1 missing label left out" in cohort.notes[0]
    assert any("row of modality CT left out" in note for note in cohort.notes)


def test_nih(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["images_001/images/1_000.png", "images_002/images/2_000.png"])
    csv = tmp_path / "Data_Entry_2017.csv"
    csv.write_text(
        "Image Index,Finding Labels,Follow-up #,Patient ID,View Position\n"
        "1_000.png,Effusion|Mass,0,1,PA\n2_000.png,No Finding,0,2,PA\n"
    )
    cohort = read_cohort(DataOptions(data=csv, positive="Effusion", negative="rest"))
    assert labels_of(cohort) == {"1_000.png": 1, "2_000.png": 0}
    assert patients_of(cohort) == ["1", "2"]


def test_chexpert(tmp_path: Path, write_images: WriteImages) -> None:
    root = tmp_path / "CheXpert-v1.0-small"
    names = [f"train/patient0000{n}/study1/view1_frontal.jpg" for n in range(4)]
    write_images(root, names)
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Pleural Effusion\n"
    values = ["1.0", "0.0", "-1.0", ""]
    (root / "train.csv").write_text(
        head
        + "".join(
            f"CheXpert-v1.0-small/{n},Male,60,Frontal,AP,,{v}\n"
            for n, v in zip(names, values, strict=True)
        )
    )
    ask = {"data": root / "train.csv", "label_column": "Pleural Effusion"}
    missing, uncertain = problems_of(DataOptions(**ask))
    assert "--missing" in missing
    assert "--uncertain" in uncertain
    cohort = read_cohort(DataOptions(**ask, uncertain="drop", missing="negative"))
    assert list(labels_of(cohort).values()) == [1, 0, 0]
    assert patients_of(cohort) == ["patient00000", "patient00001", "patient00003"]


def test_mimic(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["files/p10/p1/s5/aa-1.jpg", "files/p10/p2/s6/bb-2.jpg"])
    csv = tmp_path / "mimic-cxr-2.0.0-chexpert.csv"
    csv.write_text(
        "subject_id,study_id,No Finding,Pleural Effusion\n1,5,1.0,0.0\n2,6,,1.0\n3,7,,1.0\n"
    )
    ask = DataOptions(data=csv, label_column="Pleural Effusion")
    (problem,) = problems_of(ask)
    assert "mimic-cxr-2.0.0-metadata.csv" in problem
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").write_text(
        "dicom_id,subject_id,study_id,ViewPosition\naa-1,1,5,PA\nbb-2,2,6,AP\n"
    )
    cohort = read_cohort(ask)
    assert labels_of(cohort) == {"aa-1": 0, "bb-2": 1}
    assert patients_of(cohort) == ["1", "2"]


def test_rsna_with_several_boxes(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "images", ["p1.png", "p2.png"])
    csv = tmp_path / "stage_2_train_labels.csv"
    csv.write_text("patientId,x,y,width,height,Target\np1,1,2,3,4,1\np1,5,6,7,8,1\np2,,,,,0\n")
    cohort = read_cohort(DataOptions(data=csv))
    assert labels_of(cohort) == {"p1": 1, "p2": 0}
    assert patients_of(cohort) == ["p1", "p2"]


def test_vindr_boxes(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "train", ["a.png", "b.png"])
    csv = tmp_path / "train.csv"
    csv.write_text(
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
        "a,Cardiomegaly,3,R1,1,2,3,4\na,No finding,14,R2,,,,\nb,No finding,14,R1,,,,\n"
    )
    cohort = read_cohort(DataOptions(data=csv, positive="Cardiomegaly", negative="rest"))
    assert labels_of(cohort) == {"a": 1, "b": 0}


PAGE = Path(__file__).parents[2] / "docs" / "your-data.md"
CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
MIMIC = CHEXPERT.partition("No Finding")[1] + CHEXPERT.partition("No Finding")[2]
FOLLOW_UPS = range(8)
"""Of four patients, each with and without the finding."""


def rows_of(data_set: str) -> dict[str, list[str]]:
    """The tables of a data set, by their names, with rows as they are."""
    patient = [number // 2 for number in FOLLOW_UPS]
    if data_set == "NIH ChestX-ray14":
        head = (
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
            "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
        )
        found = ("No Finding", "Effusion|Mass")
        rows = [
            f"{one:08d}_{n:03d}.png,{found[n % 2]},{n},{one},58,M,PA,2682,2749,0.143,0.143"
            for n, one in enumerate(patient)
        ]
        return {"Data_Entry_2017.csv": [head, *rows]}
    blanks = "," * MIMIC.count(",")
    if data_set == "CheXpert":
        path = "CheXpert-v1.0-small/train/patient{:05d}/study{}/view1_frontal.jpg".format
        values = [("1.0", "")[n % 2] for n in FOLLOW_UPS]
        cells = [f",,,,,,,,,,{value},,," for value in values]
        rows = [f"{path(one, n)},Female,68,Frontal,AP,{cells[n]}" for n, one in enumerate(patient)]
        return {"CheXpert-v1.0-small/train.csv": [CHEXPERT, *rows]}
    if data_set == "VinDr-CXR boxes":
        named = ("No finding,14,R9,,,,", "Cardiomegaly,3,R9,9,8,7,6", "Nodule/Mass,8,R8,9,8,7,6")
        rows = [f"v{n},{named[n % 3]}" for n in range(9)]
        head = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
        return {"train.csv": [head, *rows, "v0,Nodule/Mass,8,R8,9,8,7,6"]}
    if data_set == "VinDr-CXR labels":
        rows = [
            f"v{n},R{reader},{n % 2},{reader % 2},0,{n % 3 // 2}"
            for n in range(9)
            for reader in (1, 2)
        ]
        head = "image_id,rad_id,Cardiomegaly,Nodule/Mass,COPD,No finding"
        return {"image_labels_train.csv": [head, *rows]}
    labels = [f"{one},{n},{blanks}" for n, one in enumerate(patient)]
    pneumonia = MIMIC.split(",").index("Pneumonia")
    for n, row in enumerate(labels):
        cells = row.split(",")
        cells[2 + pneumonia] = ("1.0", "0.0")[n % 2]
        labels[n] = ",".join(cells)
    images = [f"d-{n},{one},{n},PA" for n, one in enumerate(patient)]
    return {
        "mimic-cxr-2.0.0-chexpert.csv.gz": [f"subject_id,study_id,{MIMIC}", *labels],
        "mimic-cxr-2.0.0-metadata.csv.gz": ["dicom_id,subject_id,study_id,ViewPosition", *images],
    }


def documented(page: Path, data_set: str) -> list[DataOptions]:
    """The options of each command for a data set on a page."""
    [line] = [one for one in page.read_text().splitlines() if one.startswith(f"| {data_set} ")]
    commands = re.findall(r"`cxr-search ([^`]*)`", line)
    return [app.parse_args(shlex.split(one))[1].arguments["options"].data for one in commands]


@pytest.fixture
def as_it_is(
    tmp_path: Path, write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Writes the tables and images of a data set into the working folder."""

    def write_all(data_set: str) -> None:
        tables = rows_of(data_set)
        for name, rows in tables.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            write = gzip.open if name.endswith(".gz") else open
            with write(tmp_path / name, "wt") as file:
                file.write("\n".join(rows) + "\n")
        names = sorted({row.split(",")[0] for row in [*tables.values()][-1][1:]})
        if data_set == "MIMIC-CXR-JPG":
            names = [f"files/p10/p{n}/s{n}/{name}.jpg" for n, name in enumerate(names)]
        if data_set.startswith("VinDr"):
            names = [f"train/{name}.png" for name in names]
        write_images(tmp_path, names)
        monkeypatch.chdir(tmp_path)

    return write_all


ALL_FINDINGS = {
    "NIH ChestX-ray14": ("Effusion", "Mass"),
    "CheXpert": tuple(CHEXPERT.split(",")[5:]),
    "MIMIC-CXR-JPG": tuple(MIMIC.split(",")),
    "VinDr-CXR boxes": ("Cardiomegaly", "Nodule/Mass"),
    "VinDr-CXR labels": ("Cardiomegaly", "Nodule/Mass", "COPD", "No finding"),
}


def test_the_lists_of_nih_are_its_split(as_it_is: Callable[[str], None], tmp_path: Path) -> None:
    as_it_is("NIH ChestX-ray14")
    [ask] = documented(PAGE, "NIH ChestX-ray14")
    names = [row.split(",")[0] for row in rows_of("NIH ChestX-ray14")["Data_Entry_2017.csv"][1:]]
    (tmp_path / "test_list.txt").write_text("\r\n".join(names[:2]))
    keep = ask.model_copy(update={"split": "keep"})
    [problem] = problems_of(keep)
    assert "needs a column that says train, val or test" in problem
    (tmp_path / "train_val_list.txt").write_text("\n".join(names[2:]) + "\n")
    cohort = read_cohort(keep)
    assert cohort.manifest["split"].tolist() == ["test"] * 2 + ["train"] * 6
    assert "split in 'train_val_list.txt and test_list.txt'" in cohort.notes[0]
    merged = read_cohort(ask)
    assert not merged.is_split
    assert any("(train 6, test 2) is not used" in note for note in merged.notes)


@pytest.mark.parametrize("data_set", ALL_FINDINGS)
def test_all_findings_of_a_data_set_are_read_or_some_of_them(
    as_it_is: Callable[[str], None], data_set: str
) -> None:
    as_it_is(data_set)
    every, some = documented(PAGE.with_name("findings.md"), data_set)
    cohort = read_cohort(every)
    assert cohort.findings == Findings(ALL_FINDINGS[data_set])
    assert set(cohort.labels.ravel().tolist()) == {0, 1}
    chosen = read_cohort(some)
    assert ",".join(chosen.findings.names) == some.findings
    places = [cohort.findings.names.index(name) for name in chosen.findings.names]
    assert chosen.labels.tolist() == cohort.labels[:, places].tolist()


def test_one_finding_of_a_column_each_is_read_as_the_only_one(
    as_it_is: Callable[[str], None],
) -> None:
    as_it_is("MIMIC-CXR-JPG")
    every, _ = documented(PAGE.with_name("findings.md"), "MIMIC-CXR-JPG")
    chosen = read_cohort(every.model_copy(update={"findings": "pneumonia"}))
    named = read_cohort(every.model_copy(update={"label_column": "Pneumonia"}))
    assert chosen.label_rules == named.label_rules
    assert chosen.digest == named.digest
    [problem] = problems_of(every.model_copy(update={"findings": "Pneumnia"}))
    assert "did you mean 'Pneumonia'?" in problem


def test_readers_of_an_image_find_together(as_it_is: Callable[[str], None]) -> None:
    as_it_is("VinDr-CXR labels")
    cohort = read_cohort(DataOptions(data=Path("image_labels_train.csv"), images=Path("train")))
    assert cohort.labels[:, 1].tolist() == [1] * 9


@pytest.mark.parametrize("data_set", ["NIH ChestX-ray14", "CheXpert", "MIMIC-CXR-JPG"])
def test_the_documented_command_reads_rows_as_they_are(
    as_it_is: Callable[[str], None], data_set: str
) -> None:
    as_it_is(data_set)
    [line] = [one for one in PAGE.read_text().splitlines() if one.startswith(f"| {data_set} |")]
    [command] = re.findall(r"`cxr-search (.*)`", line)
    _, bound, _ = app.parse_args(shlex.split(command))
    options = bound.arguments["options"]
    cohort = read_cohort(options.data)
    checks = Checks()
    check_cohort(cohort, 2, options.advanced.mixed_patients, checks)
    assert checks.problems == []
    assert sorted(labels_of(cohort).values()) == [0] * 4 + [1] * 4
    assert len(set(patients_of(cohort))) == 4
