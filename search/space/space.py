"""The search space: one dimension for each setting of a trial, sampled by Optuna as it runs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import optuna

from search.space.cases import Cases
from search.space.dimension import ALL, AUTO, Choices, Dimension, Scalar, has_cut
from search.space.experiments import Experiments
from trainable.backbones.table import BACKBONES, find_backbone
from trainable.config import TrialConfig
from trainable.errors import InputError, listing
from trainable.unfreeze import UNFREEZE, count_trained

FROZEN, TRAINED = "frozen", "trained"
BY_TRAINING = ("learning_rate", "epochs")
"""Settings that may differ between a frozen body and one with trained stages."""
_CPU_UNFREEZE = UNFREEZE[:2]
_ONLY_WITH = {"momentum": ("optimizer", "sgd"), "step_epochs": ("schedule", "step")}
"""Settings that are sampled only with one value of another setting."""

Pick = Callable[[str, str, Dimension], Scalar]
"""Picks a value: `(setting, name in Optuna, dimension) -> value`."""


@dataclass(frozen=True)
class Space:
    """Samples trials; it is a class and no closure, since Ray pickles it.

    Attributes:
        dimensions: Dimensions of each setting, in the order in which they are sampled. The cut has
            a case for each backbone that differs from the others. The learning rate and the epochs
            have one for a frozen body and one for a body with trained stages.
        views: Most images per examination of the cohort.
    """

    dimensions: Mapping[str, Cases]
    views: int = 1

    stops_early: ClassVar[bool] = True
    experiments: ClassVar[Experiments] = Experiments()

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Sample one configuration: `number` of the trial, and `trial`, its `TrialConfig`."""
        return {"number": trial.number, "trial": self.sample(trial).model_dump()}

    def sample(self, trial: optuna.Trial) -> TrialConfig:
        """Sample one configuration."""
        return self._choose(lambda _, name, dimension: dimension.suggest(trial, name))

    def first_trials(self) -> list[dict[str, Any]]:
        """Parameters of the baseline configuration, or of the nearest one that is searched."""
        baseline = {**TrialConfig().model_dump(), "unfreeze": "none"}
        parameters: dict[str, Scalar] = {}

        def nearest(setting: str, name: str, dimension: Dimension) -> Scalar:
            wanted = baseline[setting]
            if setting == "cut" and isinstance(dimension, Choices):
                wanted = wanted if wanted in dimension.values else dimension.values[-1]
            found = dimension.nearest(wanted)
            if not dimension.fixed:
                parameters[name] = found
            return found

        self._choose(nearest)
        return [parameters]

    def _choose(self, pick: Pick) -> TrialConfig:
        chosen: dict[str, Any] = {}
        for setting, cases in self.dimensions.items():
            needed, value = _ONLY_WITH.get(setting, (None, None))
            if needed is not None and chosen[needed] != value:
                continue
            # a name has one range in Optuna, so each case has a name of its own
            case, name = None, setting
            if setting == "cut":
                case, name = chosen["backbone"], f"cut_{chosen['backbone']}"
            elif setting in BY_TRAINING:
                case = TRAINED if chosen["unfreeze"] else FROZEN
                name = f"{setting}_unfrozen" if chosen["unfreeze"] else setting
            chosen[setting] = pick(setting, name, cases.of(case))
            if setting == "unfreeze":
                stages = len(find_backbone(chosen["backbone"]).stages_until(chosen["cut"]))
                chosen[setting] = count_trained(chosen[setting], stages)
        return TrialConfig(**chosen, views=self.views)

    @property
    def backbones(self) -> tuple[str, ...]:
        """Backbones that the space names; none for all that have weights."""
        return _unless_all(ALL, self.values("backbone"))

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones whose classifier the body may keep."""
        return tuple(
            name
            for name in self.backbones or BACKBONES
            if find_backbone(name).classifier in _choices(self.dimensions["cut"].of(name))
        )

    def values(self, setting: str) -> tuple[Any, ...]:
        """Values of a setting over all cases, or the ends of its ranges."""
        return tuple(
            value
            for dimension in self.dimensions[setting].all
            for value in (
                dimension.values
                if isinstance(dimension, Choices)
                else (dimension.low, dimension.high)
            )
        )

    def describe(self, setting: str) -> str:
        """Values of a setting in a few words."""
        return " or ".join(map(str, self.dimensions[setting].all))

    def restricted_to(self, backbones: Sequence[str], *, has_gpu: bool) -> "Space":
        """The configurations that can run here: the words `all` and `auto` become values.

        Args:
            backbones: Backbones that have weights.
            has_gpu: Whether trials have a GPU; without one, `auto` trains at most one stage.

        Raises:
            InputError: If a backbone has none of the cuts that the space names.
        """
        changed = dict(self.dimensions)
        if not self.backbones:
            changed["backbone"] = Cases(Choices(tuple(backbones)))
        if self.values("unfreeze") == (AUTO,):
            changed["unfreeze"] = Cases(Choices(UNFREEZE if has_gpu else _CPU_UNFREEZE))
        cuts: dict[str, Dimension] = {}
        without = []
        for backbone in self.backbones or backbones:
            asked = self.dimensions["cut"].of(backbone)
            own = tuple(cut for cut in _choices(asked) if has_cut(backbone, str(cut)))
            cuts[backbone] = Choices(own, asked.fixed)
            if _choices(asked) == (ALL,):
                cuts[backbone] = Choices(find_backbone(backbone).cuts)
            elif not own:
                without.append(f"{backbone} (its cuts: {listing(find_backbone(backbone).cuts)})")
        if without:
            raise InputError(
                *[
                    f"each backbone must have one of the cuts {listing(self.values('cut'))}; "
                    f"{one} has none. Name others for it, or drop it" for one in without
                ]
            )  # fmt: skip
        changed["cut"] = Cases(named=cuts)
        return dataclasses.replace(self, dimensions=changed)

    def with_views(self, views: int) -> "Space":
        """The same configurations for examinations of so many images."""
        return dataclasses.replace(self, views=views)

    def to_dict(self) -> dict[str, Any]:
        """Content of the file that describes the space: a value, list or range per setting."""
        return {setting: cases.to_dict() for setting, cases in self.dimensions.items()}


def _choices(dimension: Dimension) -> tuple[Scalar, ...]:
    """The values of a setting that has no range."""
    assert isinstance(dimension, Choices)  # a range of names is refused as it is read
    return dimension.values


def _unless_all(word: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return () if values == (word,) else values
