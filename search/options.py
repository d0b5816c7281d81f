"""Every option of `cxr-search`, in the groups of its help screen; each value is checked."""

import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from cyclopts import Group, Parameter
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
)

from trainable.cohort.readers import DataOptions
from trainable.defaults import CACHE, CACHE_BYTES
from trainable.evaluation.metrics import F1Average
from trainable.evaluation.thresholds import ThresholdPolicy
from trainable.unfreeze import Unfreeze

PresetName = Literal["assignment", "mammogram", "deep-covid", "frozen-sgd"]

DEMO = Path("demo")

IMAGES, SPACE, SCORING, COMPUTE, RUN, ADVANCED = (
    Group(title, sort_key=place)
    for place, title in enumerate(("Images", "Space", "Scoring", "Compute", "Run", "Advanced"))
)
"""Panels of the help screen, in their order."""


def _names(value: object) -> object:
    """Accept `a,b` and `a b` alike."""
    if not isinstance(value, str | list | tuple):
        return value
    parts = [value] if isinstance(value, str) else value
    return tuple(name for part in parts for name in str(part).split(",") if name)


def _duration(value: object) -> object:
    """Read 30m, 1h30m or 90s; a number counts seconds, and none is no limit."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() == "none":
        return None
    try:
        return pd.Timedelta(text + "s" if _is_number(text) else text).to_pytimedelta()
    except (ValueError, AttributeError) as error:  # "nat" is a duration to pandas
        raise ValueError("must be a duration such as 30m, 1h30m or 90s, or none") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def duration_text(value: timedelta | None) -> str:
    """A duration as a person writes it.

    >>> duration_text(timedelta(minutes=90))
    '1h30m'
    """
    if value is None:
        return "none"
    minutes, seconds = divmod(value.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((f"{hours}", "h"), (f"{minutes}", "m"), (f"{seconds:g}", "s"))
    return "".join(number + unit for number, unit in parts if number != "0")


def _positive(value: timedelta | None) -> timedelta | None:
    if value is not None and value <= timedelta(0):
        raise ValueError("must be longer than 0 seconds, or none for no limit")
    return value


def _size_text(size: ByteSize) -> str:
    return size.human_readable(separator=" ").replace(".0 ", " ")


def _threshold(value: str) -> str:
    """Refuse what is no policy; the text stays as it was written."""
    ThresholdPolicy.parse(value)
    return value


def _shares(value: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if value is not None and (len(value) not in (2, 3) or sum(value) != 100 or min(value) < 1):
        raise ValueError(
            "must be two or three percentages that add up to 100, such as 80,20 or 60,20,20"
        )
    return value


def _gpus(value: float) -> float:
    if value > 1 and not value.is_integer():
        raise ValueError("must be a whole number above 1, since a trial shares one GPU at most")
    return value


def _list_of(metavar: str) -> Parameter:
    return Parameter(consume_multiple=True, metavar=metavar)


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceOptions(_Options):
    """What is searched."""

    space: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """Search space in YAML or TOML, on top of the default one (see --print-space)."""
    preset: PresetName | None = None
    """Fixed list of configurations from a source document, in place of a search space."""
    weights: Annotated[str, Parameter(metavar="START")] = "imagenet"
    """Weights to start from: imagenet, none (random), a folder of state dicts, or chexnet:FILE."""
    backbones: Annotated[tuple[str, ...], BeforeValidator(_names), _list_of("NAME...")] = ()
    """Backbones to search among; all that have weights if not given."""
    unfreeze: Annotated[tuple[Unfreeze, ...], BeforeValidator(_names), _list_of("WORD...")] = ()
    """Number of last stages to train; without a GPU none and one if not given."""
    normalizations: Annotated[tuple[str, ...], BeforeValidator(_names), _list_of("NAME...")] = ()
    """Normalizations to search among: none, imagenet, cohort, image; all if not given."""
    image_size: Annotated[int | None, Parameter(metavar="PIXELS")] = Field(None, ge=32, le=2048)
    """Edge of the square images, in pixels; 320 in the default space."""
    batch_size: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=2)
    """Images per gradient step; 64 in the default space."""
    epochs: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Passes over the training images; 5 in the default space, up to 20 for frozen bodies."""


class ScoringOptions(_Options):
    """How a trial is scored and the winner chosen."""

    folds: Annotated[int, Parameter(metavar="N")] = Field(5, ge=2)
    """Number of folds of the cross-validation that scores each trial."""
    repeats: Annotated[int, Parameter(metavar="N")] = Field(3, ge=1)
    """Number of times the folds are drawn; a score is the mean over all draws."""
    shares: Annotated[
        tuple[int, ...] | None,
        BeforeValidator(_names),
        AfterValidator(_shares),
        Parameter(metavar="PERCENT,..."),
    ] = None
    """Single split in place of folds: training, validation and test, as 80,20 or 60,20,20."""
    threshold: Annotated[str, AfterValidator(_threshold), Parameter(metavar="RULE")] = "best"
    """Score from which an image counts as positive: best (for F1), 0.5, or sensitivity:0.98."""
    f1_average: F1Average = "binary"
    """Kind of F1 to maximize; binary is the F1 of the positive class."""
    prefer_simple: bool = False
    """Choose the simplest trial that is statistically tied with the best."""


class ComputeOptions(_Options):
    """Where trials run."""

    cpus_per_trial: Annotated[int, Parameter(metavar="N")] = Field(1, ge=1)
    """CPU cores (and threads) per trial."""
    gpus_per_trial: Annotated[float, AfterValidator(_gpus), Parameter(metavar="N")] = Field(
        0.25, ge=0
    )
    """GPUs per trial: a fraction to share one, or a whole number to use several."""
    address: Annotated[str | None, Parameter(metavar="HOST")] = None
    """Ray cluster to join (auto: the one on this machine); a new one if not given."""


class RunOptions(_Options):
    """How long the search runs."""

    trials: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Number of trials to finish; 50 if not given, or every row of a fixed list."""
    time_budget: Annotated[
        timedelta | None,
        BeforeValidator(_duration),
        AfterValidator(_positive),
        Parameter(metavar="TIME", show_default=duration_text),
    ] = timedelta(minutes=30)
    """Longest running time, such as 90s, 30m or 1h30m; none for no limit."""


class AdvancedOptions(_Options):
    """What is rarely changed."""

    mixed_patients: bool = False
    """Accept patients that have images of both classes."""
    seed: Annotated[int, Parameter(metavar="N")] = Field(0, ge=0)
    """Seed of the folds, the heads, the order of images and the sampler."""
    max_concurrent: Annotated[int | None, Parameter(metavar="N")] = Field(None, ge=1)
    """Most trials at a time; with 1, the same options give the same search again."""
    cache: Annotated[Path, Parameter(metavar="FOLDER")] = CACHE
    """Folder of decoded images and features, shared by all searches on this machine."""
    cache_bytes: Annotated[ByteSize, Parameter(metavar="SIZE", show_default=_size_text)] = Field(
        ByteSize(CACHE_BYTES), ge=0
    )
    """Room for activations of partly trained bodies in the cache; 0 keeps none."""


class SearchOptions(_Options):
    """What a search is asked; the names of options are unique over all groups."""

    data: Annotated[DataOptions, Parameter(name="*", group=IMAGES)] = DataOptions()
    space: Annotated[SpaceOptions, Parameter(name="*", group=SPACE)] = SpaceOptions()
    scoring: Annotated[ScoringOptions, Parameter(name="*", group=SCORING)] = ScoringOptions()
    compute: Annotated[ComputeOptions, Parameter(name="*", group=COMPUTE)] = ComputeOptions()
    run: Annotated[RunOptions, Parameter(name="*", group=RUN)] = RunOptions()
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

SPACE_SETTINGS = {
    "backbones": "backbone",
    "unfreeze": "unfreeze",
    "normalizations": "normalization",
    "image_size": "image_size",
    "batch_size": "batch_size",
    "epochs": "epochs",
}
"""Options that fix or narrow a setting of the search space, and the setting."""

RESUMABLE = frozenset(
    {
        *("trials", "time_budget", "gpus_per_trial", "cpus_per_trial", "address"),
        *("max_concurrent", "cache_bytes", "prefer_simple"),
    }
)
"""Options that may change when a search is resumed: none of them changes what a trial scores."""
