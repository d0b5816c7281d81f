"""Every option of `cxr-predict`, in the groups of its help screen; each value is checked."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from pydantic import BaseModel, ByteSize, Field

from trainable.cohort.left_out import FILE as LEFT_OUT
from trainable.commands.sizes import Size
from trainable.defaults import CACHE, CACHE_BYTES, COMMON, DeviceChoice

MODEL, IMAGES, OUTPUT = (
    Group(title, sort_key=place) for place, title in enumerate(("Model", "Images", "Output"))
)
"""Panels of the help screen, in their order."""

_FILE = Parameter(metavar="FILE")


class ModelOptions(BaseModel, frozen=True):
    """How the models of a winner are found or made."""

    labelled_images: Annotated[Path | None, Parameter(group=MODEL, metavar="FOLDER")] = None
    """Folder of the search's labelled images, if they have moved; found by their content."""
    seeds: Annotated[int | None, COMMON, Parameter(group=MODEL)] = Field(None, ge=1)
    """Fits per trial, whose scores are averaged; as many as the search averaged if not given."""
    cache: Annotated[Path, Parameter(group=MODEL, metavar="FOLDER")] = CACHE
    """Folder of decoded images and features, shared with all searches."""
    cache_bytes: Annotated[Size, Parameter(group=MODEL)] = Field(ByteSize(CACHE_BYTES), ge=0)
    """Size limit of the cache; files in use are never removed."""
    device: Annotated[DeviceChoice, Parameter(group=MODEL)] = "auto"
    """Where models compute: auto is a GPU if there is one."""


class PredictOptions(ModelOptions, frozen=True):
    """What to predict, with which model, and where to write it."""

    images: Annotated[Path, Parameter(group=IMAGES)]
    """Folder of the images to predict, a table that lists them, or one image."""
    site: Annotated[str | None, Parameter(group=MODEL, metavar="NAME")] = None
    """Predict as recalibrated to this site by an earlier --recalibrate-here NAME."""
    unusable: Annotated[Literal["drop"] | None, Parameter(group=IMAGES)] = None
    """Use of images that are absent or damaged: drop leaves their predictions empty."""
    refuse_unfamiliar: Annotated[bool, Parameter(group=IMAGES)] = False
    """Leave the predictions of images empty that are unlike those of the training."""
    template: Annotated[Path | None, COMMON, _FILE, Parameter(group=IMAGES)] = None
    """Table whose rows, order and columns the predictions follow."""
    labels: Annotated[Path | None, COMMON, _FILE, Parameter(group=IMAGES)] = None
    """Table of the true labels, for metrics and NAME_report.html."""
    out: Annotated[Path, COMMON, _FILE, Parameter(group=OUTPUT)] = Path("predictions.csv")
    """Predictions file to write; the scores go to NAME_scores.csv beside it."""
    how_sure: Annotated[int | None, COMMON, Parameter(group=OUTPUT, metavar="N")] = None
    """Resamples, such as 200, for an interval of each score (low, high) and NAME_report.html."""
    heat_maps: Annotated[Path | None, COMMON, Parameter(group=OUTPUT, metavar="FOLDER")] = None
    """New folder for a heat map of each image."""
    promise_npv: Annotated[float | None, COMMON, Parameter(group=OUTPUT)] = Field(
        None, gt=0.5, lt=1
    )
    """Answer "no" where this share of patients is surely negative (0.5 to 1)."""
    promise_ppv: Annotated[float | None, COMMON, Parameter(group=OUTPUT)] = Field(
        None, gt=0.5, lt=1
    )
    """Answer "yes" where this share of patients is surely positive (0.5 to 1)."""
    recalibrate_here: Annotated[str | None, Parameter(group=OUTPUT, metavar="NAME")] = None
    """Recalibrate the scores to --labels, and keep that under this name for --site."""
    overwrite: Annotated[bool, COMMON, Parameter(group=OUTPUT)] = False
    """Replace these files if they exist."""
    operating_point: Annotated[float, Parameter(group=OUTPUT)] = Field(0.9, gt=0, le=1)
    """Specificity, and sensitivity, at which the other one is reported (0 to 1)."""

    @property
    def scores_out(self) -> Path:
        """The second file, beside the predictions."""
        return self.out.with_name(f"{self.out.stem}_scores.csv")

    @property
    def report_out(self) -> Path:
        """The page of the metrics, beside the predictions."""
        return self.out.with_name(f"{self.out.stem}_report.html")

    @property
    def left_out_out(self) -> Path:
        """The list of images that are left out, beside the predictions."""
        return self.out.with_name(f"{self.out.stem}_{LEFT_OUT}")

    @property
    def may_leave_out(self) -> bool:
        """Whether images may get no prediction, so that they are listed."""
        return self.unusable is not None or self.refuse_unfamiliar

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files that are written."""
        pages = (self.report_out,) if self.labels or self.how_sure is not None else ()
        lists = (self.left_out_out,) if self.may_leave_out else ()
        return (self.out, self.scores_out, *pages, *lists)


class ExportOptions(ModelOptions, frozen=True):
    """Where to write a team, and how its models are found or made."""

    out: Annotated[Path, Parameter(group=OUTPUT, metavar="FOLDER")]
    """Folder to make; it holds the models, what they need, a model card and model.onnx."""
    without_onnx: Annotated[bool, Parameter(group=OUTPUT)] = False
    """Leave out model.onnx, which needs the packages of the extra export."""
    keep_identifiers: Annotated[bool, Parameter(group=OUTPUT)] = False
    """Keep hashes of the training images and --patient-pattern, to check new labelled images."""
