"""Public data sets that are known by the columns of their tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from trainable.errors import InputError
from trainable.reading.columns import plain_name
from trainable.reading.options import ALL, DataOptions
from trainable.reading.tables import read_table


@dataclass(frozen=True)
class KnownDataSet:
    """How the table of one data set is read; columns by their plain names (small letters).

    Attributes:
        name: What the data set is called.
        columns: Columns that the table is known by.
        image: Column of file names.
        label: Column of labels; None if the user must choose one.
        patient: Column of patients.
        patient_pattern: Finds the patient in a file name.
        only: A column and the value of the rows that are kept.
        missing: What becomes of rows without a label, where the data set itself says so.
        several_rows: Whether an image may have several rows, such as one per box: it is positive
            if one of them is.
        in_cells: Whether a cell of labels may have several findings, or an image several labels.
        findings: Columns of findings, one each.
        all_but: Columns that are no findings, where all others are.
        split_lists: Files beside the table that list the images of `train` and of `test`.
    """

    name: str
    columns: frozenset[str]
    image: str | None = None
    label: str | None = None
    patient: str | None = None
    patient_pattern: str | None = None
    only: tuple[str, str] | None = None
    missing: Literal["drop"] | None = None
    several_rows: bool = False
    in_cells: bool = False
    findings: frozenset[str] = frozenset()
    all_but: frozenset[str] = frozenset()
    split_lists: tuple[str, str] | None = None


_CHEXPERT = frozenset(
    {
        *("nofinding", "enlargedcardiomediastinum", "cardiomegaly", "lungopacity", "lunglesion"),
        *("edema", "consolidation", "pneumonia", "atelectasis", "pneumothorax"),
        *("pleuraleffusion", "pleuralother", "fracture", "supportdevices"),
    }
)

KNOWN_DATA_SETS = (
    KnownDataSet(
        "covid-chestxray-dataset",
        frozenset({"patientid", "survival", "finding", "modality", "view", "filename"}),
        image="filename", label="survival", patient="patientid", only=("modality", "X-ray"),
        missing="drop",
    ),
    KnownDataSet(
        "NIH ChestX-ray14", frozenset({"imageindex", "findinglabels", "patientid"}),
        image="imageindex", label="findinglabels", patient="patientid", in_cells=True,
        split_lists=("train_val_list.txt", "test_list.txt"),
    ),
    KnownDataSet(
        "CheXpert", frozenset({"path", "frontallateral", "appa", "nofinding", "pleuraleffusion"}),
        image="path", patient_pattern=r"patient\d+", findings=_CHEXPERT,
    ),
    KnownDataSet(
        "MIMIC-CXR-JPG", frozenset({"subjectid", "studyid", "nofinding", "pleuraleffusion"}),
        image="dicomid", patient="subjectid", findings=_CHEXPERT,
    ),
    KnownDataSet(
        "RSNA pneumonia", frozenset({"patientid", "x", "y", "width", "height", "target"}),
        image="patientid", label="target", patient="patientid", several_rows=True,
    ),
    KnownDataSet(
        "VinDr-CXR boxes", frozenset({"imageid", "classname", "radid", "xmin", "ymin"}),
        image="imageid", label="classname", several_rows=True, in_cells=True,
    ),
    KnownDataSet(
        "VinDr-CXR labels", frozenset({"imageid", "radid", "nofinding"}),
        image="imageid", several_rows=True, all_but=frozenset({"imageid", "radid"}),
    ),
    KnownDataSet(
        "boxes", frozenset({"xmin", "ymin", "xmax", "ymax"}), several_rows=True,
    ),
)  # fmt: skip
"""The first one whose columns are all there is taken."""

_MIMIC = "MIMIC-CXR-JPG"
_METADATA = "mimic-cxr-2.0.0-metadata.csv"


def find_data_set(raw: pd.DataFrame) -> KnownDataSet | None:
    """The data set that a table is of, or None."""
    columns = {plain_name(column) for column in raw.columns}
    return next((one for one in KNOWN_DATA_SETS if one.columns <= columns), None)


def label_columns_of(data_set: KnownDataSet, raw: pd.DataFrame) -> list[str]:
    """The columns of labels that the data set has: one, or one per finding."""
    found = []
    for column in map(str, raw.columns):
        plain = plain_name(column)
        if data_set.all_but:
            is_label = plain not in data_set.all_but
        else:
            is_label = plain == data_set.label or plain in data_set.findings
        found += [column] if is_label else []
    return found


def with_its_own(options: DataOptions, data_set: KnownDataSet, labels: pd.DataFrame) -> DataOptions:
    """The options, with what the data set says of its own labels where the user says nothing."""
    changed: dict[str, str | None] = {}
    if options.missing is None and data_set.missing:
        changed["missing"] = data_set.missing
    is_open = options.positive is None and options.negative is None
    if data_set.in_cells and is_open and [*map(plain_name, labels)] == [data_set.label]:
        changed["findings"] = options.findings or ALL
    elif not data_set.in_cells and set(labels) <= set(label_columns_of(data_set, labels)):
        changed["findings"] = None  # they chose the columns
    return options.model_copy(update=changed)


def with_listed_split(raw: pd.DataFrame, data_set: KnownDataSet, file: Path) -> pd.DataFrame:
    """The table with a column of the split, where lists beside it have that.

    Raises:
        InputError: If a list cannot be read.
    """
    if data_set.split_lists is None:
        return raw
    lists = [file.parent / name for name in data_set.split_lists]
    if not all(one.is_file() for one in lists):
        return raw
    side_of: dict[str, str] = {}
    for side, one in zip(("train", "test"), lists, strict=True):
        try:
            side_of |= dict.fromkeys(one.read_text(encoding="utf-8").split(), side)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{one} must be a text that lists images, one a line: {error}"
            ) from error
    images = next(column for column in raw if plain_name(column) == data_set.image)
    sides = raw[images].map(side_of).fillna("")
    return raw.assign(**{" and ".join(data_set.split_lists): sides})


def with_images(raw: pd.DataFrame, data_set: KnownDataSet, file: Path) -> pd.DataFrame:
    """The table with its images: MIMIC lists the images of a study in a table of its own.

    Raises:
        InputError: If that table is not beside the file.
    """
    columns = {plain_name(column): column for column in raw.columns}
    if data_set.name != _MIMIC or "dicomid" in columns:
        return raw
    beside = [file.parent / _METADATA, file.parent / f"{_METADATA}.gz"]
    metadata = next((path for path in beside if path.is_file()), None)
    if metadata is None:
        raise InputError(
            f"the labels of MIMIC-CXR-JPG are of studies; put {_METADATA}.gz, which lists the "
            f"images of each study, beside {file}"
        )
    images = read_table(metadata, "--data").rows
    wanted = ["dicom_id", "study_id", "ViewPosition"]
    found = [column for column in wanted if column in images.columns]
    if found[:2] != wanted[:2]:
        raise InputError(f"{metadata} must have the columns dicom_id and study_id")
    return images[found].merge(raw, left_on="study_id", right_on=columns["studyid"], how="inner")
