"""Types of options: how a value is read from the command line, checked, and shown."""

import contextlib
import math
from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import AfterValidator, BeforeValidator

from trainable.backbones.layout import Unfreeze, read_unfreeze
from trainable.evaluation.scoring import ThresholdPolicy

HeatMaps = Literal["auto", "yes", "no"]
"""Whether a page shows heat maps; auto: where that takes seconds."""


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
    # it takes a second to import, which a help screen need not wait for
    import pandas as pd

    try:
        return pd.Timedelta(text + "s" if _is_number(text) else text).to_pytimedelta()
    except (ValueError, AttributeError) as error:  # "nat" is a duration to pandas
        raise ValueError("must be a duration such as 30m, 1h30m or 90s, or none") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def duration_text(value: timedelta | None, *, roughly: bool = False) -> str:
    """A duration as an option reads it; or to the minute, at least one, as a person says it.

    >>> duration_text(timedelta(minutes=90)), duration_text(timedelta(seconds=5399), roughly=True)
    ('1h30m', '1 h 30 min')
    """
    if value is None:
        return "none"
    seconds = value.total_seconds()
    minutes, seconds = (max(1, round(seconds / 60)), 0) if roughly else divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    units = (" h", " min", " s") if roughly else ("h", "m", "s")
    parts = zip((f"{hours}", f"{minutes}", f"{seconds:g}"), units, strict=True)
    words = (number + unit for number, unit in parts if number != "0")
    return (" " if roughly else "").join(words)


def _positive(value: timedelta | None) -> timedelta | None:
    if value is not None and value <= timedelta(0):
        raise ValueError("must be longer than 0 seconds, or none for no limit")
    return value


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


def _trial_timeout(value: object) -> object:
    """Read a duration, or auto for None."""
    if value is None or value == "auto":
        return None
    with contextlib.suppress(ValueError):
        if (found := _duration(value)) is not None:
            return found
    raise ValueError("must be auto, or a duration such as 30m, 1h30m or 90s")


def _timeout_text(value: timedelta | None) -> str:
    return "auto" if value is None else duration_text(value)


def _team(value: object) -> object:
    """Read a number of trials, or auto for None."""
    if value is None or value == "auto":
        return None
    if not str(value).isdecimal() or int(str(value)) < 1:
        raise ValueError("must be auto, or a whole number of at least 1")
    return value


def _team_text(value: int | None) -> str:
    return "auto" if value is None else str(value)


def _gpus(value: float) -> float:
    if value > 1 and not value.is_integer():
        raise ValueError("must be a whole number above 1, since a trial shares one GPU at most")
    return value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    Parameter(consume_multiple=True, metavar="NAME..."),
]
"""Names, separated by commas or blanks."""

TrainedStages = Annotated[
    tuple[Annotated[Unfreeze, BeforeValidator(read_unfreeze)], ...],
    BeforeValidator(_names),
    Parameter(consume_multiple=True, metavar="N...", show_choices=False),
]
"""Numbers of trained stages, or all, separated by commas or blanks."""

Shares = Annotated[
    tuple[int, ...] | None,
    BeforeValidator(_names),
    AfterValidator(_shares),
    Parameter(metavar="PERCENT,..."),
]
"""Percentages for training and validation, or for training, validation and test."""

Duration = Annotated[
    timedelta | None,
    BeforeValidator(_duration),
    AfterValidator(_positive),
    Parameter(metavar="TIME", show_default=duration_text),
]
"""Time with a unit, or seconds; None, written `none`, is no limit."""

TrialTimeout = Annotated[
    timedelta | None,
    BeforeValidator(_trial_timeout),
    AfterValidator(_positive),
    Parameter(metavar="TIME", show_default=_timeout_text),
]
"""Time with a unit, or seconds; None, written `auto`, follows from the trials seen."""

Threshold = Annotated[str, AfterValidator(_threshold), Parameter(metavar="RULE")]
"""Text of a `ThresholdPolicy`."""

TeamSize = Annotated[
    int | None, BeforeValidator(_team), Parameter(metavar="N", show_default=_team_text)
]
"""Number of trials; None, written `auto`, is a number that the search chooses."""

Gpus = Annotated[float, AfterValidator(_gpus), Parameter(metavar="N")]
"""Number of GPUs, a fraction up to 1 or a whole number."""
