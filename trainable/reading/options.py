"""Options that say where the labelled images are and how to read them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainable.defaults import COMMON

ALL = "all"
"""Given as --findings: all that there are."""

NO_COVARIATES = "none"
"""Given as --covariates: covariates are not read."""


class ImageOptions(BaseModel):
    """Where the labelled images are and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[Path | None, COMMON] = None
    """Table (CSV or .xlsx), or folder of class folders."""
    images: Annotated[Path | None, COMMON] = None
    """Folder of the table's images; found if not given."""
    image_column: str | None = None
    """Column of file names; found by its name if not given."""
    label_column: Annotated[str | None, COMMON] = None
    """Column of labels, or one per finding (A,B); found by its name if not given."""
    patient_column: Annotated[str | None, COMMON] = None
    """Column of patients, or dicom:PatientID; found by its name if not given."""
    positive: Annotated[str | None, COMMON] = None
    """Positive label or class folder, a limit such as '>=10', or rest; found if 1, yes or true."""
    negative: str | None = None
    """Negative label, class folder or limit, or rest for all others; found if there are two."""
    findings: str | None = None
    """Findings in cells such as Effusion|Mass, or of a known data set: all, or Effusion,Mass."""
    uncertain: Literal["positive", "negative", "drop"] | None = None
    """Use of uncertain labels (-1, as CheXpert has them)."""
    missing: Literal["negative", "drop"] | None = None
    """Use of images without a label."""
    unusable: Literal["drop"] | None = None
    """Use of images that are absent or damaged; left_out.csv lists what drop leaves out."""
    label_pattern: str | None = None
    """Regular expression of the label in a file name, such as '_([01])[.]png'."""
    patient_pattern: Annotated[str | None, COMMON] = None
    """Regular expression of the patient in a file name."""
    split: Literal["merge", "keep"] | None = None
    """Use of train/, val/ and test/, or of a column: merge for folds, or keep."""
    split_column: str | None = None
    """Column of train, val and test that is kept; found by its content if not given."""


class DataOptions(ImageOptions):
    """The same, with the examinations and the covariates that a search reads too."""

    views: int = Field(1, ge=1)
    """Images per examination, at most; from 2 on, an examination has one label and one score."""
    exam_column: str | None = None
    """Column of examinations, for 2 views and more; found by its name if not given."""
    view_column: str | None = None
    """Column of views; found by its name if not given; none takes the order of the rows."""
    covariates: str | None = None
    """Covariates for the report, such as age,sex,dicom:PatientAge; age, sex, view and site if not
    given; none to read none."""
