"""The search space: one dimension for each setting of a trial, sampled by Optuna as it runs."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import optuna

from search.space.dimension import Cases, Dimension, Scalar, choices
from search.space.experiments import Experiments
from search.space.restrict import asked_cut, restricted
from search.space.settings import ALL, SETTINGS, Setting
from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import count_trained
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig
from trainable.features.passes import FrozenPass
from trainable.images.preprocessing import NormalizationName, Square

FIRST = "first_trials"
"""Key of the portfolio in a file."""
_MOST_FIRST = 12
"""Trials of the portfolio after the baseline configuration."""

Pick = Callable[[Setting, str, Dimension], Scalar]
"""Picks a value: `(setting, name in Optuna, dimension) -> value`."""


@dataclass(frozen=True)
class Space:
    """Samples trials; it is a class and no closure, since Ray pickles it.

    Attributes:
        dimensions: Dimensions of each setting, in the order in which they are sampled. The cut has
            a case for each backbone that differs from the others. The learning rate and the epochs
            have one for a frozen body and one for a body with trained stages.
        first: The portfolio: settings of the trials after the baseline configuration, each for
            every backbone in turn.
        views: Most images per examination of the cohort.
    """

    dimensions: Mapping[str, Cases]
    first: tuple[Mapping[str, Any], ...] = ()
    views: int = 1

    stops_early: ClassVar[bool] = True
    experiments: ClassVar[Experiments] = Experiments()

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Sample one configuration: `number` of the trial, and `trial`, its `TrialConfig`."""
        return {"number": trial.number, "trial": self.sample(trial).model_dump()}

    def sample(self, trial: optuna.Trial) -> TrialConfig:
        """Sample one configuration."""
        return self._choose(lambda _, name, dimension: dimension.suggest(trial, name))

    def first_trials(self, earlier: Sequence[TrialConfig] = ()) -> list[dict[str, Any]]:
        """Parameters of the baseline configuration, the portfolio for each backbone, and `earlier`.

        What is not searched is replaced by the nearest that is; equal trials are queued once.
        """
        baseline = TrialConfig().model_dump()
        portfolio = [
            {**baseline, **settings, "backbone": backbone}
            for settings in self.first
            for backbone in self.values("backbone")
        ]
        found: list[dict[str, Any]] = []
        for wanted in (baseline, *portfolio):
            parameters = self._nearest(wanted)
            if parameters not in found:
                found.append(parameters)
        found = found[: 1 + _MOST_FIRST]
        return found + [one for one in map(self._near, earlier) if one not in found]

    def _near(self, config: TrialConfig) -> dict[str, Any]:
        """Parameters of a configuration, or of the nearest one that is searched."""
        stages = len(config.backbone.network.stages_until(config.cut))
        same = [
            value
            for value in self.values("unfreeze")
            if count_trained(value, stages) == config.unfreeze
        ]
        return self._nearest({**config.model_dump(), "unfreeze": same[0] if same else 0})

    def _nearest(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the configuration that is searched and nearest to this one."""
        parameters: dict[str, Scalar] = {}

        def nearest(setting: Setting, name: str, dimension: Dimension) -> Scalar:
            wanted = configuration[setting.name]
            if setting.nearest:
                wanted = setting.nearest(wanted, choices(dimension))
            found = dimension.nearest(wanted)
            if not dimension.fixed:
                parameters[name] = found
            return found

        self._choose(nearest)
        return parameters

    def _choose(self, pick: Pick) -> TrialConfig:
        chosen = {**TrialConfig().model_dump(), "views": self.views}
        for name, cases in self.dimensions.items():
            setting = SETTINGS[name]
            if setting.when(chosen):
                case, known_as = setting.case(chosen, cases.named)
                value = pick(setting, known_as, cases.of(case))
                chosen[name] = setting.settled(value, chosen)
        return TrialConfig(**chosen)

    @property
    def backbones(self) -> tuple[str, ...]:
        """Backbones that the space names; none for all that have weights."""
        named = self.values("backbone")
        return () if named == (ALL,) else named

    @property
    def passes(self) -> frozenset[FrozenPass]:
        """The passes through frozen stages that the configurations of a restricted space need."""
        sides = itertools.product(self.values("image_size"), self.values("resize"))
        squares = [Square(size, resize) for size, resize in sides]
        found = (
            FrozenPass.of(encoder, cut, count, encoder.preprocessing(square, normalization))
            for encoder, cut, count in self._bodies()
            for normalization in self._normalizations(encoder)
            for square in squares
        )
        return frozenset(one for one in found if one)

    def _normalizations(self, encoder: Encoder) -> tuple[NormalizationName, ...]:
        names = choices(self.dimensions["normalization"].of(str(encoder)))
        return cast("tuple[NormalizationName, ...]", names)

    def _bodies(self) -> Iterator[tuple[Encoder, str, int]]:
        """Encoder, cut and number of trained stages, for all that may be sampled."""
        words = self.values("unfreeze")
        for encoder in self.values("backbone"):
            for cut in map(str, choices(self.dimensions["cut"].of(encoder))):
                stages = len(Encoder.read(encoder).network.stages_until(cut))
                counts = {0} if cut == FUSED else {count_trained(word, stages) for word in words}
                yield from ((Encoder.read(encoder), cut, count) for count in counts)

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones whose classifier the body may keep."""
        return tuple(
            name
            for name in self.backbones or BACKBONES
            if Encoder.read(name).network.classifier
            in choices(asked_cut(self.dimensions["cut"], name))
        )

    def values(self, setting: str) -> tuple[Any, ...]:
        """Values of a setting over all cases, or the ends of its ranges."""
        return self.dimensions[setting].values

    def describe(self, setting: str) -> str:
        """Values of a setting in a few words."""
        return " or ".join(map(str, self.dimensions[setting].all))

    def restricted_to(self, backbones: Sequence[str], *, has_gpu: bool) -> "Space":
        """The configurations that can run here: the words `all` and `auto` become values.

        Args:
            backbones: Backbones that have weights.
            has_gpu: Whether trials have a GPU; without one, `auto` trains at most one stage, for 5
                epochs.

        Raises:
            InputError: If a backbone has none of the cuts that the space names.
        """
        encoders = self.backbones or tuple(backbones)
        found = restricted(self.dimensions, encoders, has_gpu=has_gpu)
        return dataclasses.replace(self, dimensions=found)

    def with_views(self, views: int) -> "Space":
        """The same configurations for examinations of so many images."""
        return dataclasses.replace(self, views=views)

    def to_dict(self) -> dict[str, Any]:
        """Content of the file that describes the space: a value, list or range per setting."""
        dimensions = {setting: cases.to_dict() for setting, cases in self.dimensions.items()}
        return {**dimensions, FIRST: [dict(settings) for settings in self.first]}
