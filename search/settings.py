"""What a search is asked to do: every option of `cxr-search`, checked at the door."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from cyclopts import Parameter
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, ValidationError

from trainable.cohort.readers import DataOptions
from trainable.evaluation.metrics import F1Average
from trainable.evaluation.thresholds import ThresholdPolicy
from trainable.store import DEFAULT_CACHE_BYTES

PresetName = Literal["assignment", "mammogram", "deep-covid", "frozen-sgd"]
Unfreeze = Literal["none", "one", "two", "all"]

DEMO = Path("demo")


def _names(value: object) -> object:
    """Accept `a,b` and `a b` alike."""
    if not isinstance(value, str | list | tuple):
        return value
    parts = [value] if isinstance(value, str) else value
    return tuple(name for part in parts for name in str(part).split(",") if name)


def _duration(value: object) -> object:
    """Read 30m, 1h30m or 90s; none for no limit."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return None
    try:
        return pd.Timedelta(value).to_pytimedelta()
    except ValueError as error:
        raise ValueError("write a duration as 30m, 1h30m or 90s, or none") from error


def _threshold(value: str) -> str:
    """Refuse what is no policy; it is kept as it was written."""
    ThresholdPolicy.parse(value)
    return value


def _shares(value: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if value is not None and (len(value) not in (2, 3) or sum(value) != 100 or min(value) < 1):
        raise ValueError("write two or three percentages that add up to 100, as 80,20 or 60,20,20")
    return value


def _gpus(value: float) -> float:
    if value > 1 and not value.is_integer():
        raise ValueError(
            "more than one GPU must be a whole number, as a trial shares one with none"
        )
    return value


Names = Parameter(consume_multiple=True, negative="")


class SearchOptions(DataOptions):
    """Options of a search; those that say where the images are come first."""

    weights: str = "imagenet"
    """Start of the bodies: imagenet, a folder of state dicts, chexnet:FILE, or none (random)."""
    mixed_patients: Annotated[bool, Parameter(negative="")] = False
    """Allow patients with both labels."""
    shares: Annotated[tuple[int, ...] | None, BeforeValidator(_names), AfterValidator(_shares)] = (
        None
    )
    """One split in place of folds: percentages for training, validation and test (60,20,20), or the
    first two (80,20)."""
    preset: PresetName | None = None
    """Run a source document's experiments, as a fixed list of configurations."""
    trials: int = Field(50, ge=1)
    """How many trials to finish."""
    time_budget: Annotated[timedelta | None, BeforeValidator(_duration)] = timedelta(minutes=30)
    """Stop after this long (30m, 1h30m), with the winner so far; none for no limit."""
    space: Path | None = None
    """What to search, as YAML or TOML; --print-space shows the default and how to change it."""
    epochs: int | None = Field(None, ge=1)
    """Passes over the training images of a fold; by default 5, and up to 20 for frozen bodies."""
    image_size: int | None = Field(None, ge=32, le=2048)
    """Edge of the square images, in pixels; 320 in the default space."""
    batch_size: int | None = Field(None, ge=2)
    """Images a gradient step; 64 in the default space."""
    folds: int = Field(5, ge=2)
    """Folds of the cross-validation that scores a trial."""
    repeats: int = Field(3, ge=1)
    """How often the folds are drawn; a score is the mean over the repeats."""
    f1_average: F1Average = "binary"
    """Which F1 is searched for; binary is that of the positive class."""
    threshold: Annotated[str, AfterValidator(_threshold)] = "best"
    """Score from which an image counts as positive: best (for F1), 0.5, or sensitivity:0.98."""
    prefer_simple: Annotated[bool, Parameter(negative="")] = False
    """Take the simplest of the trials that cannot be told from the best."""
    backbones: Annotated[tuple[str, ...], BeforeValidator(_names), Names] = ()
    """Backbones to search among; all that have weights if not given."""
    unfreeze: Annotated[tuple[Unfreeze, ...], BeforeValidator(_names), Names] = ()
    """How many last stages of a body may be trained; without a GPU none and one if not given."""
    normalizations: Annotated[tuple[str, ...], BeforeValidator(_names), Names] = ()
    """Normalizations to search among (none, imagenet, cohort, image); all if not given."""
    gpus_per_trial: Annotated[float, AfterValidator(_gpus)] = Field(0.25, ge=0)
    """GPUs a trial: a fraction to share one, or a whole number to train stages on several."""
    cpus_per_trial: int = Field(1, ge=1)
    """CPU cores, and so threads, a trial."""
    max_concurrent: int | None = Field(None, ge=1)
    """Trials that run at the same time; as many as the machines hold if not given. With 1, the same
    options give the same search again."""
    address: str | None = None
    """A running Ray cluster (auto for the one on this machine); starts its own if not given."""
    cache: Path = Path("~/.cache/cxr")
    """Folder of decoded images and features, shared by all searches on this machine."""
    cache_bytes: ByteSize = Field(ByteSize(DEFAULT_CACHE_BYTES), ge=0)
    """What activations of partly trained bodies may take of it (8GiB); 0 keeps none."""
    seed: int = Field(0, ge=0)
    """Of the folds, the heads, the order of images and the sampler."""


SPACE_OPTIONS = {
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


def explain(error: ValidationError) -> list[str]:
    """One sentence for each option that breaks its rule."""
    sentences = []
    for detail in error.errors():
        option = "--" + str(detail["loc"][0]).replace("_", "-") if detail["loc"] else "options"
        rule = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        sentences.append(f"{option}: {rule}; got {str(detail['input'])!r}")
    return sentences
