"""What one setting of a trial may be: a value, one of a list, or anything in a range."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Annotated, Any, ClassVar, cast, get_args

import optuna
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from search.space.settings import SETTINGS, Scalar
from trainable.config import TrialConfig
from trainable.errors import Checks, did_you_mean, explain, explain_detail


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


def choices(dimension: Dimension) -> tuple[Scalar, ...]:
    """The values of a setting that has no range."""
    assert isinstance(dimension, Choices)  # a range of names is refused as it is read
    return dimension.values


@dataclass(frozen=True)
class Cases:
    """Dimensions of one setting.

    Attributes:
        others: Dimension of every case that is not named; None if all are.
        named: Dimensions by the name of the case.
    """

    others: Dimension | None = None
    named: Mapping[str, Dimension] = field(default_factory=dict)

    def of(self, case: str | None = None) -> Dimension:
        """The dimension of a case."""
        found = self.others if case is None else self.named.get(case, self.others)
        if found is None:
            raise KeyError(case)
        return found

    @property
    def all(self) -> tuple[Dimension, ...]:
        """Every dimension once."""
        return (*self.named.values(), *([self.others] if self.others is not None else ()))

    @property
    def values(self) -> tuple[Any, ...]:
        """Values over all cases, or the ends of their ranges."""
        return tuple(
            value
            for dimension in self.all
            for value in (
                dimension.values
                if isinstance(dimension, Choices)
                else (dimension.low, dimension.high)
            )
        )

    def map(self, change: Callable[[Dimension], Dimension]) -> "Cases":
        """The same cases with another dimension for each."""
        others = None if self.others is None else change(self.others)
        return Cases(others, {case: change(dimension) for case, dimension in self.named.items()})

    def to_dict(self) -> Any:
        """As a file has it."""
        if not self.named:
            return self.of().to_dict()
        return {case: dimension.to_dict() for case, dimension in self.named.items()}


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
    word = SETTINGS[name].open_word
    if len(values) > 1 and word in values:
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
    setting, rule = SETTINGS[name], TrialConfig.model_fields[name]
    if setting.no_range:
        raise ValueError(setting.no_range)
    if rule.annotation not in (int, float) or setting.words:
        raise ValueError(f"must be a value or a list of values (got {dict(raw)})")
    try:
        ends = {str(key): value for key, value in raw.items()}
        found = Range(**{**ends, "whole": rule.annotation is int})
    except ValidationError as error:
        raise ValueError("; ".join(explain(error, known=Range.model_fields))) from None
    for end in (found.low, found.high):
        _value(name, end)
    return found


def _value(name: str, raw: object) -> Scalar:
    """One value as a trial takes it, of the type that Optuna can keep."""
    setting = SETTINGS[name]
    words = (*filter(None, (setting.open_word,)), *setting.words)
    if isinstance(raw, str) and raw in words:
        return raw
    try:
        found = _FIELDS[name].dump_python(_FIELDS[name].validate_python(setting.read(raw)))
    except ValidationError as error:
        [detail, *_] = error.errors()
        if detail["type"] == "literal_error":
            words = get_args(TrialConfig.model_fields[name].annotation)
        elif not setting.words or not isinstance(raw, str):
            raise ValueError(explain_detail(detail, "")) from None
        raise ValueError(f"unknown {str(raw)!r}; {did_you_mean(str(raw), words)}") from None
    if not isinstance(found, str | int | float):
        raise ValueError(f"must be a text or a number (got {raw!r})")
    return found


_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(
        cast("Any", Annotated[field.annotation, field]),
        # pydantic takes none for a dataclass, which an encoder is
        config=None if is_dataclass(field.annotation) else ConfigDict(allow_inf_nan=False),
    )
    for name, field in TrialConfig.model_fields.items()
}
"""Reads one setting by its own rule, without those that join it to other settings."""
