"""What one setting of a trial may be: a value, one of a list, or anything in a range."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast, get_args

import optuna
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import UNFREEZE
from trainable.config import TrialConfig
from trainable.errors import Checks, did_you_mean, explain, explain_detail

Scalar = str | int | float | bool
"""Types of a choice that Optuna can keep."""

ALL = "all"
AUTO = "auto"
INTEGER_SETTINGS = frozenset(
    name for name, field in TrialConfig.model_fields.items() if field.annotation is int
)
"""Settings that are whole numbers."""


@dataclass(frozen=True)
class Choices:
    """One of some values; `fixed` if it is the same in every trial, and unknown to Optuna."""

    values: tuple[Scalar, ...]
    fixed: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """Take one."""
        if self.fixed:
            return self.values[0]
        return cast("Scalar", trial.suggest_categorical(name, self.values))

    def nearest(self, wanted: Scalar) -> Scalar:
        """`wanted`, or the first value if it is not among them."""
        return wanted if wanted in self.values else self.values[0]

    def to_dict(self) -> object:
        """As a file has it."""
        return self.values[0] if self.fixed else list(self.values)

    def __str__(self) -> str:
        """The values."""
        return ", ".join(map(str, self.values))


class Range(BaseModel):
    """Any number from `low` to `high`; with `log`, each tenfold is as likely as the next."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False
    whole: bool = False
    fixed: ClassVar[bool] = False

    @model_validator(mode="after")
    def _ascends(self) -> "Range":
        if self.low >= self.high or (self.log and self.low <= 0):
            least = "0 < low < high" if self.log else "low < high"
            raise ValueError(f"a range needs {least} (got {self.low:g} to {self.high:g})")
        if self.whole and (self.low % 1 or self.high % 1):
            raise ValueError(f"needs whole numbers (got {self.low:g} to {self.high:g})")
        return self

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """Take a number."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def nearest(self, wanted: Scalar) -> Scalar:
        """`wanted`, or the end of the range that is nearest to it."""
        inside = min(max(float(wanted), self.low), self.high)
        return int(inside) if self.whole else inside

    def to_dict(self) -> object:
        """As a file has it."""
        return self.model_dump(exclude={"whole"})

    def __str__(self) -> str:
        """The ends."""
        return f"{self.low:g} to {self.high:g}"


Dimension = Choices | Range


def read_dimension(name: str, raw: object) -> Dimension:
    """Read one setting of a file.

    Args:
        name: Name of the setting, a field of `TrialConfig`.
        raw: Value, list, or mapping with `low` and `high`.

    Raises:
        ValueError: Naming the rule that is broken; an InputError names several.
    """
    if isinstance(raw, Mapping):
        return _range(name, raw)
    if not isinstance(raw, list | tuple):
        return Choices((_value(name, raw),), fixed=True)
    if not raw:
        raise ValueError("a list must name at least one value")
    values = _values(name, raw)
    word = AUTO if name in ("unfreeze", "epochs") else ALL
    if len(values) > 1 and word in values and name in ("backbone", "cut", "unfreeze", "epochs"):
        raise ValueError(f"{word!r} must stand alone (got {list(values)})")
    if len(set(values)) < len(values):
        raise ValueError(f"a list must name a value once (got {list(values)})")
    return Choices(values)


def _values(name: str, raw: Sequence[object]) -> tuple[Scalar, ...]:
    """The values of a list; what is wrong with each of them is said at once."""
    values, checks = [], Checks()
    for one in raw:
        try:
            values.append(_value(name, one))
        except ValueError as error:
            checks.add(str(error))
    checks.raise_if_any()
    return tuple(values)


def _range(name: str, raw: Mapping[Any, Any]) -> Range:
    if name == "image_size":
        raise ValueError("must be a value or a list, since images are decoded for each size")
    default = getattr(TrialConfig(), name)
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    if not is_number or name == "unfreeze":
        raise ValueError(f"must be a value or a list of values (got {dict(raw)})")
    try:
        found = Range(
            **{**{str(key): value for key, value in raw.items()}, "whole": name in INTEGER_SETTINGS}
        )
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, known=Range.model_fields))) from None
    for end in (found.low, found.high):
        _value(name, end)
    return found


def _value(name: str, raw: object) -> Scalar:
    """One value as a trial takes it, of the type that Optuna can keep."""
    if name in _NAMED:
        return _NAMED[name](str(raw))
    if name == "unfreeze" and isinstance(raw, str):
        return _one_of(raw, (AUTO, *UNFREEZE))
    if name == "epochs" and raw == AUTO:
        return AUTO
    if name == "head_layers" and isinstance(raw, int):
        raw = str(raw)
    try:
        found = _FIELDS[name].dump_python(_FIELDS[name].validate_python(raw))
    except ValidationError as error:
        [detail, *_] = error.errors()
        if detail["type"] == "literal_error":
            _one_of(str(raw), get_args(TrialConfig.model_fields[name].annotation))
        raise ValueError(explain_detail(detail, "")) from None
    if not isinstance(found, str | int | float):
        raise ValueError(f"must be a text or a number (got {raw!r})")
    return found


def _one_of(raw: str, choices: Sequence[str]) -> str:
    if raw not in choices:
        raise ValueError(f"unknown {raw!r}; {did_you_mean(raw, choices)}")
    return raw


def _backbone(name: str) -> str:
    encoder = Encoder.read(name)
    if name != ALL:
        _ = encoder.network
    return str(encoder)


def has_cut(backbone: str, cut: str) -> bool:
    """Whether a body of this backbone can end at this cut."""
    try:
        return bool(Encoder.read(backbone).network.stages_until(cut))
    except ValueError:
        return False


_NAMED: Mapping[str, Callable[[str], Scalar]] = {"backbone": _backbone, "cut": str}
"""Settings that are names, or `all`; which cuts there are depends on the backbones."""

_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(
        cast("Any", Annotated[field.annotation, field]),
        config=ConfigDict(allow_inf_nan=False),
    )
    for name, field in TrialConfig.model_fields.items()
    if name not in _NAMED
}
"""Reads one setting by its own rule, without those that join it to other settings."""
