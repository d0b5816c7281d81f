"""Every option of `cxr-search`, in the groups of its help screen; each value is checked."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter
from pydantic import BaseModel, ByteSize, ConfigDict, Field

from search.options.types import (
    Duration,
    Gpus,
    Names,
    Shares,
    TeamSize,
    Threshold,
    TrainedStages,
    TrialTimeout,
    duration_text,
)
from trainable.commands.sizes import Size
from trainable.defaults import CACHE, CACHE_BYTES, COMMON, DeviceChoice
from trainable.errors import flag
from trainable.evaluation.scoring import F1Average, Objective
from trainable.reading.options import DataOptions

PresetName = Literal["assignment", "mammogram", "deep-covid", "frozen-sgd"]

DEMO, DEMO_OF_FINDINGS = Path("demo"), Path("demo:findings")

IMAGES, SPACE, SCORING, COMPUTE, RUN, OUTPUT, ADVANCED = (
    Group(title, sort_key=place)
    for place, title in enumerate(
        ("Images", "Space", "Scoring", "Compute", "Run", "Output", "Advanced")
    )
)
"""Panels of the help screen, in their order."""


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceOptions(_Options):
    """What is searched."""

    space: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """Search space in YAML or TOML, on top of the default one (see --print-space)."""
    warm_start: Annotated[Path | None, Parameter(metavar="RUN")] = None
    """Run folder of an earlier search; its 10 best configurations are tried first."""
    preset: PresetName | None = None
    """Published experiments to repeat, in place of a search (docs/experiments.md)."""
    weights: Annotated[str, COMMON, Parameter(metavar="START")] = "imagenet"
    """Weights to start from: imagenet, none (random), a folder of state dicts, or chexnet:FILE."""
    backbones: Annotated[Names, COMMON] = ()
    """Backbones, NAME or NAME@FILE; all if not given."""
    unfreeze: Annotated[TrainedStages, COMMON] = ()
    """Numbers of last stages to train, or all, such as 0,1,all; searched if not given."""
    normalizations: Names = ()
    """Normalizations to search among: none, imagenet, cohort, image, own; all if not given."""
    image_size: Annotated[int | None, COMMON, Parameter(metavar="PIXELS")] = Field(
        None, ge=32, le=2048
    )
    """Edge of the square images; 320 if not given."""
    resize: Names = ()
    """Ways to make images square to search among: stretch, pad (with black) or crop; stretch if not
    given."""
    batch_size: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=2)
    """Images per gradient step; 64 if not given."""
    epochs: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Passes over the training images; 5, or up to 20 for frozen bodies, if not given."""
    use_covariates: bool = False
    """Search also with heads that see the covariates beside the image."""


class ScoringOptions(_Options):
    """How a trial is scored and the winner chosen."""

    folds: Annotated[int, COMMON, Parameter(metavar="N")] = Field(5, ge=2)
    """Folds of the cross-validation; with --folds-by at most as many."""
    folds_by: Annotated[str | None, Parameter(metavar="COLUMN")] = None
    """Column such as site or dicom:Manufacturer: each fold leaves out a value, or several."""
    repeats: Annotated[int, Parameter(metavar="N")] = Field(3, ge=1)
    """Number of times the folds are drawn; a score is the mean over all draws."""
    shares: Shares = None
    """Single split in place of folds: training, validation and test, as 80,20 or 60,20,20."""
    threshold: Annotated[Threshold, COMMON] = "best"
    """Least score of a positive image: best (F1), a number, sensitivity:0.98, specificity:0.95."""
    objective: Objective = "f1"
    """Metric to compare trials by; F1 and threshold are reported all the same."""
    f1_average: F1Average | None = None
    """Kind of F1; binary (of the positive class) if not given, macro with several findings."""
    team: Annotated[TeamSize, COMMON] = None
    """Trials in the team (ensemble); auto: 1, 5 or 10."""
    prefer_simple: bool = False
    """Choose the simplest trial that is statistically tied with the best, in place of a team."""
    calibration: Literal["auto", "none"] = "auto"
    """Recalibrate the team's scores where that is better, or leave them as they are."""


class ComputeOptions(_Options):
    """Where trials run."""

    cpus_per_trial: Annotated[int, Parameter(metavar="N")] = Field(1, ge=1)
    """CPU cores (and threads) per trial."""
    gpus_per_trial: Annotated[Gpus, COMMON] = Field(0.25, ge=0)
    """GPUs, or a share of one, per trial."""
    address: Annotated[str | None, COMMON, Parameter(metavar="HOST")] = None
    """Ray cluster to join, or auto; a new one if not given."""
    without_token: bool = False
    """Accept a cluster with RAY_AUTH_MODE=disabled, where everybody who reaches it can run code."""

    @property
    def own_device(self) -> DeviceChoice:
        """Where the head and `cxr-report` compute: not on a GPU if no trial may."""
        return "auto" if self.gpus_per_trial else "cpu"


class RunOptions(_Options):
    """How long the search runs."""

    trials: Annotated[int | None, COMMON, Parameter(metavar="N")] = Field(None, ge=1)
    """Trials to finish; 50, or all of a preset, if not given."""
    time_budget: Annotated[Duration, COMMON] = timedelta(minutes=30)
    """Limit, such as 90s or 1h30m, or none."""
    max_passes: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Limit of forward passes over all images; a larger space is refused."""
    race: Literal["auto", "no"] = "auto"
    """Race of encoders: auto runs on all images only those that are not behind on some."""
    learning_curve: Literal["auto", "no"] = "auto"
    """What more patients would be worth, at the end; auto: where that takes little of the time."""
    trial_timeout: TrialTimeout = None
    """Stop a trial that is silent for this long; auto: 10 times the longest silence so far."""


class ToolOptions(_Options):
    """Other tools that see the trials too."""

    mlflow: Annotated[str | None, Parameter(metavar="URI")] = None
    """MLflow to log the trials to, such as http://HOST:5000 or sqlite:///mlflow.db."""
    wandb: bool = False
    """Log the trials for Weights & Biases into the run folder, without a connection."""


class AdvancedOptions(_Options):
    """What is rarely changed."""

    mixed_patients: bool = False
    """Accept patients that have images of both classes."""
    group_duplicates: bool = False
    """Keep images that look the same on one side of every split, as if of one patient."""
    seed: Annotated[int, Parameter(metavar="N")] = Field(0, ge=0)
    """Seed of the folds, the heads, the order of images and the sampler."""
    max_concurrent: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Trials at a time, at most; with 1, the same options give the same search again."""
    cache: Annotated[Path, Parameter(metavar="FOLDER")] = CACHE
    """Folder of decoded images and features, shared by all searches on this machine."""
    cache_bytes: Size = Field(ByteSize(CACHE_BYTES), ge=0)
    """Size limit of the cache; files in use are never removed."""


class SearchOptions(_Options):
    """All options of a search. Their names are unique over all groups."""

    data: Annotated[DataOptions, Parameter(name="*", group=IMAGES)] = DataOptions()
    space: Annotated[SpaceOptions, Parameter(name="*", group=SPACE)] = SpaceOptions()
    scoring: Annotated[ScoringOptions, Parameter(name="*", group=SCORING)] = ScoringOptions()
    compute: Annotated[ComputeOptions, Parameter(name="*", group=COMPUTE)] = ComputeOptions()
    run: Annotated[RunOptions, Parameter(name="*", group=RUN)] = RunOptions()
    tools: Annotated[ToolOptions, Parameter(name="*", group=OUTPUT)] = ToolOptions()
    advanced: Annotated[AdvancedOptions, Parameter(name="*", group=ADVANCED)] = AdvancedOptions()

    @classmethod
    def of(cls, **values: Any) -> "SearchOptions":
        """Options by their names alone, checked.

        Raises:
            ValidationError: naming each option that breaks its rule.
        """
        groups: dict[str, dict[str, Any]] = {name: {} for name in cls.model_fields}
        for name, value in values.items():
            groups[_GROUP_OF[name]][name] = value
        return cls.model_validate({name: group for name, group in groups.items() if group})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The name of every option."""
        return tuple(_GROUP_OF)

    @property
    def is_demo(self) -> bool:
        """Whether the images are phantoms, drawn for this search."""
        return self.data.data in (DEMO, DEMO_OF_FINDINGS)

    @property
    def given(self) -> dict[str, Any]:
        """Value of each option that was given, by its name."""
        return {
            name: getattr(group, name)
            for _, group in self
            for name in type(group).model_fields
            if name in group.model_fields_set
        }

    def value(self, name: str) -> Any:
        """Value of an option, given or not."""
        return getattr(getattr(self, _GROUP_OF[name]), name)

    def replaced(self, values: Mapping[str, Any]) -> "SearchOptions":
        """The same options with other values of some, as valid as they are."""
        return SearchOptions.of(**{**self.given, **values})


_GROUP_OF = {
    name: group
    for group, field in SearchOptions.model_fields.items()
    for name in field.annotation.model_fields  # type: ignore[union-attr]
}

RESUMABLE = frozenset(
    {
        *(
            "trials",
            "time_budget",
            "trial_timeout",
            "max_passes",
            "gpus_per_trial",
            "cpus_per_trial",
            "address",
        ),
        *("without_token", "max_concurrent", "cache", "cache_bytes", "prefer_simple", "team"),
        *("images", "mlflow", "wandb", "calibration", "learning_curve"),
    }
)
"""Options that may change when a search is resumed: none of them changes what a trial scores."""


# of an absolute path, also behind the name of a network
_FOLDERS = re.compile(r"(?<![a-z])/(?:[^,/]*/)*")


def command_line(options: SearchOptions, *, with_folders: bool = True) -> list[str]:
    """The words of a command that asks for the same search; what has its default is left out.

    Without folders, files are named without those above them.
    """
    words, unchanged = ["cxr-search"], SearchOptions()
    for name, value in options.given.items():
        if value == unchanged.value(name):
            continue
        if value is True:
            words.append(flag(name))
        else:
            is_short = isinstance(value, Path) and not with_folders
            text = _text(value.name if is_short else value)
            words += [flag(name), text if with_folders else _FOLDERS.sub("", text)]
    return words


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return duration_text(value)
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
