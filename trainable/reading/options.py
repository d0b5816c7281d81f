"""Options that say where the labelled images are and how to read them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NO_COVARIATES = "none"
"""Given as --covariates: further columns are not read."""


class ImageOptions(BaseModel):
    """Where the labelled images are and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path | None = None
    """Table (CSV or .xlsx), folder of class folders, or folder with train/ and val/ or test/."""
    images: Path | None = None
    """Folder of the CSV's file names; found beside the CSV if not given."""
    image_column: str | None = None
    """Column of file names in the CSV; found by its name if not given."""
    label_column: str | None = None
    """Column of labels in the CSV; found by its name if not given."""
    patient_column: str | None = None
    """Column of patients in the CSV, or dicom:PatientID; found by its name if not given."""
    positive: str | None = None
    """Label, or class folder, of the positive class; 1, yes or true, for example, if not given."""
    negative: str | None = None
    """Label, or class folder, of the negative class, where there are more than two; rest for all
    others."""
    uncertain: Literal["positive", "negative", "drop"] | None = None
    """Use of uncertain labels (-1, as CheXpert has them)."""
    missing: Literal["negative", "drop"] | None = None
    """Use of images without a label."""
    patient_pattern: str | None = None
    """Regular expression that finds the patient in a file name or its folders, as group 1 or the
    whole match."""
    split: Literal["merge", "keep"] | None = None
    """Use of train/, val/ and test/: merge them for cross-validation, or keep them as one split."""


class DataOptions(ImageOptions):
    """The same, with the examinations and the further columns that a search reads too."""

    views: int = Field(1, ge=1)
    """Most images per examination; from 2 on, examinations are labelled, scored and predicted."""
    exam_column: str | None = None
    """Column of examinations in the CSV, for 2 views and more; found by its name if not given."""
    view_column: str | None = None
    """Column of views in the CSV; found by its name if not given; none for images in order."""
    covariates: str | None = None
    """Further columns for the report, as age,sex,dicom:PatientAge; age, sex, view and site are
    found by their names if not given; none for no column."""
