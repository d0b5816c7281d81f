"""What every search space can do, whether it is sampled (`Space`) or listed (`Grid`)."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import optuna

from search.space.experiments import Experiments
from trainable.config import TrialConfig
from trainable.features.passes import FrozenPass


class SearchSpace(Protocol):
    """The configurations that a search chooses from."""

    @property
    def experiments(self) -> Experiments:
        """Rows that are run as they are listed; empty for a space that is sampled."""

    @property
    def stops_early(self) -> bool:
        """Whether a trial that is behind the others may be stopped."""

    @property
    def backbones(self) -> tuple[str, ...]:
        """Backbones that are named; none for all that have weights."""

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones whose body may keep the classifier, and so needs its weights."""

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """One configuration for Optuna: `number` of the trial, and `trial`, its `TrialConfig`."""

    @property
    def passes(self) -> frozenset[FrozenPass]:
        """The passes through frozen stages that the configurations need; `all` has no meaning."""

    def first_trials(self, earlier: Sequence[TrialConfig] = ()) -> list[dict[str, Any]]:
        """Optuna parameters of the trials that are queued before the first one.

        Args:
            earlier: Configurations of an earlier search to try next; a list of configurations
                has no place for them.
        """

    def values(self, setting: str) -> tuple[Any, ...]:
        """Values of a setting over all configurations, or the ends of its ranges."""

    def describe(self, setting: str) -> str:
        """Values of a setting in a few words."""

    def restricted_to(self, backbones: Sequence[str], *, has_gpu: bool) -> Self:
        """The configurations that can run here.

        Args:
            backbones: Backbones that have weights.
            has_gpu: Whether trials have a GPU. Without one, only what was left open is narrowed:
                stages that were named are trained on the CPU.
        """

    def with_views(self, views: int) -> Self:
        """The same configurations for examinations of so many images."""

    def to_dict(self) -> dict[str, Any]:
        """Content of the file that describes the space."""
