"""One setting of a space, which may differ by the case of another setting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from search.space.dimension import Dimension


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

    def map(self, change: Callable[[Dimension], Dimension]) -> "Cases":
        """The same cases with another dimension for each."""
        others = None if self.others is None else change(self.others)
        return Cases(others, {case: change(dimension) for case, dimension in self.named.items()})

    def to_dict(self) -> Any:
        """As a file has it."""
        if not self.named:
            return self.of().to_dict()
        return {case: dimension.to_dict() for case, dimension in self.named.items()}
