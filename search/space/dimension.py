"""What one setting of a trial may be: a value, one of a list, or anything in a range."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import optuna
from pydantic import BaseModel, ConfigDict, model_validator

Scalar = str | int | float | bool
"""Types of a value that Optuna can keep."""


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
