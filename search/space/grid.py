"""A search space whose only dimension is the row of a list of configurations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import optuna

from search.space.experiments import Experiments
from trainable.config import TrialConfig
from trainable.features.passes import FrozenPass


@dataclass(frozen=True)
class Grid:
    """Runs every row once: all rows are queued before the first trial.

    Attributes:
        experiments: The rows.
    """

    experiments: Experiments

    stops_early: ClassVar[bool] = False
    """A table needs all its rows."""

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """The configuration of a trial's row: `number` of the trial, and `trial`, its settings."""
        rows = self.experiments.rows
        row = rows[trial.suggest_int("row", 0, len(rows) - 1)]
        return {"number": trial.number, "trial": row.config.model_dump()}

    def first_trials(self, earlier: Sequence[TrialConfig] = ()) -> list[dict[str, Any]]:
        """Parameters of every row, and of nothing else."""
        return [{"row": row} for row in range(len(self.experiments.rows))]

    @property
    def backbones(self) -> tuple[str, ...]:
        """Backbones that the rows name."""
        return tuple(map(str, self.values("backbone")))

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones of which a row keeps the classifier in the body."""
        configs = [row.config for row in self.experiments.rows]
        keep = [str(c.backbone) for c in configs if c.cut == c.backbone.network.classifier]
        return tuple(dict.fromkeys(keep))

    @property
    def passes(self) -> frozenset[FrozenPass]:
        """The passes through frozen stages that the rows need."""
        configs = [row.config for row in self.experiments.rows]
        found = (
            FrozenPass.of(one.backbone, one.cut, one.unfreeze, one.preprocessing) for one in configs
        )
        return frozenset(one for one in found if one)

    def values(self, setting: str) -> tuple[Any, ...]:
        """Values of a setting over all rows, each once."""
        rows = self.experiments.rows
        return tuple(dict.fromkeys(getattr(row.config, setting) for row in rows))

    def describe(self, setting: str) -> str:
        """Values of a setting in a few words."""
        return ", ".join(map(str, self.values(setting)))

    def restricted_to(self, backbones: Sequence[str], *, has_gpu: bool) -> "Grid":
        """The rows whose backbone has weights; a row names its stages, so it runs on any device."""
        served = self.experiments.only(
            lambda config: str(config.backbone) in backbones,
            "there are no weights for the backbone",
        )
        return Grid(served)

    def with_views(self, views: int) -> "Grid":
        """The same rows for examinations of so many images."""
        rows = tuple(
            replace(row, config=row.config.model_copy(update={"views": views}))
            for row in self.experiments.rows
        )
        return Grid(replace(self.experiments, rows=rows))

    def to_dict(self) -> dict[str, Any]:
        """Content of the file that describes the rows."""
        return self.experiments.to_dict()
