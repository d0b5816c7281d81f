"""A fixed list of configurations in named experiments, run in place of what Optuna would sample."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar

import optuna
from pydantic import ValidationError

from trainable.backbones.table import find_backbone
from trainable.config import TrialConfig
from trainable.errors import InputError, Problems, explain


@dataclass(frozen=True)
class Row:
    """One configuration: a row of an experiment's table."""

    experiment: str
    name: str
    config: TrialConfig


@dataclass(frozen=True)
class Grid:
    """A space whose only dimension is the row; each one is queued before the first trial.

    Attributes:
        rows: in the order in which they are run; all rows of an experiment stand together.
        left_out: rows that cannot be, by the reason why.
    """

    rows: tuple[Row, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    stops_early: ClassVar[bool] = False
    """A table needs all its rows."""

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """The configuration of a trial's row: `number` of the trial, and `trial`, its settings."""
        row = self.rows[trial.suggest_int("row", 0, len(self.rows) - 1)]
        return {"number": trial.number, "trial": row.config.model_dump()}

    def first_trials(self) -> list[dict[str, Any]]:
        """Parameters of every row."""
        return [{"row": row} for row in range(len(self.rows))]

    def experiments(self) -> Iterator[tuple[str, list[int]]]:
        """The title of each experiment and the numbers of its rows."""
        numbered = enumerate(self.rows)
        for title, rows in groupby(numbered, key=lambda item: item[1].experiment):
            yield title, [number for number, _ in rows]

    @property
    def backbones(self) -> tuple[str, ...]:
        """Those that the rows name."""
        return self.values("backbone")

    def values(self, setting: str) -> tuple[Any, ...]:
        """The values of a setting over all rows, each once."""
        return tuple(dict.fromkeys(getattr(row.config, setting) for row in self.rows))

    def describe(self, setting: str) -> str:
        """What a setting may be, in a few words."""
        return ", ".join(map(str, self.values(setting)))

    def restricted_to(self, backbones: Sequence[str], *, has_gpu: bool) -> "Grid":
        """The same: what cannot be was left out when the grid was made."""
        return self

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones of which a row keeps the classifier in the body."""
        configs = [row.config for row in self.rows]
        keep = [c.backbone for c in configs if c.cut == find_backbone(c.backbone).classifier]
        return tuple(dict.fromkeys(keep))

    def with_views(self, views: int) -> "Grid":
        """The same for examinations of so many views."""
        configs = [row.config.model_copy(update={"views": views}) for row in self.rows]
        rows = zip(self.rows, configs, strict=True)
        return replace(self, rows=tuple(replace(row, config=config) for row, config in rows))

    def only(self, keep: Callable[[TrialConfig], bool], why: str) -> "Grid":
        """The rows to keep; the others are left out, and why."""
        kept = tuple(row for row in self.rows if keep(row.config))
        gone = [f"{row.experiment}, {row.name}" for row in self.rows if row not in kept]
        return replace(self, rows=kept, left_out=with_left_out(self.left_out, why, gone))

    def to_dict(self) -> dict[str, Any]:
        """As a file has it."""
        rows = [
            {"experiment": row.experiment, "name": row.name, **row.config.model_dump()}
            for row in self.rows
        ]
        return {"rows": rows, "left_out": {why: list(gone) for why, gone in self.left_out.items()}}

    @classmethod
    def read(cls, content: Mapping[str, Any], origin: str) -> "Grid":
        """Read what `written` wrote, or a user's own list in the same shape.

        Raises:
            InputError: naming every row that cannot be.
        """
        problems = Problems()
        rows = []
        listed = content["rows"]
        if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
            raise InputError(f"{origin} must be a list of configurations; got {listed!r}")
        for number, raw in enumerate(listed, start=1):
            try:
                settings = dict(raw)
                title = str(settings.pop("experiment", "experiment"))
                name = str(settings.pop("name", number))
                rows.append(Row(title, name, TrialConfig(**settings)))
            except (ValidationError, TypeError, ValueError) as error:
                problems.add(f"{origin}: row {number}: {reason(error)}")
        problems.raise_if_any()
        left_out = dict(content.get("left_out", {}))
        return cls(tuple(rows), {why: tuple(gone) for why, gone in left_out.items()})


def reason(error: Exception) -> str:
    """Why a configuration cannot be, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(explain(error, known=TrialConfig.model_fields))


def with_left_out(
    left_out: Mapping[str, tuple[str, ...]], why: str, names: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """More rows that are left out for a reason."""
    return {**left_out, why: (*left_out.get(why, ()), *names)} if names else left_out


def require_rows(grid: Grid, trials: int | None) -> None:
    """Refuse a grid without rows, and more trials than rows.

    Raises:
        InputError: with what was left out, if that is every row.
    """
    if not grid.rows:
        raise InputError(*[f"no row is left to run: {why}" for why in grid.left_out])
    if trials is not None and trials > len(grid.rows):
        raise InputError(f"--trials must be at most the {len(grid.rows)} rows (got {trials})")


def same_networks(grid: Grid, numbers: Sequence[int]) -> list[list[int]]:
    """Those of the rows that differ by nothing but their seed, two and more together."""
    by_config: dict[str, list[int]] = {}
    for number in numbers:
        without_seed = grid.rows[number].config.model_copy(update={"seed": 0})
        by_config.setdefault(without_seed.model_dump_json(), []).append(number)
    return [numbers for numbers in by_config.values() if len(numbers) > 1]
