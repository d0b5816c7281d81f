"""The search space: one dimension for each setting of a trial, sampled by Optuna as it runs."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import optuna

from search.space.cases import Cases
from search.space.dimension import ALL, AUTO, Choices, Dimension, Scalar, has_cut
from search.space.experiments import Experiments
from trainable.backbones.backbone import FUSED, Backbone
from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import UNFREEZE, count_trained
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig
from trainable.errors import InputError, listing
from trainable.features.passes import FrozenPass
from trainable.images.normalization import IMAGENET_SCALE, NormalizationName

FROZEN, TRAINED = "frozen", "trained"
FIRST = "first_trials"
"""Key of the portfolio in a file."""
LOGISTIC = "logistic"
BY_TRAINING = ("head", "learning_rate", "epochs")
"""Settings that may differ between a frozen body and one with trained stages."""
BY_ENCODER = ("normalization", "pool")
"""Settings that may differ for an encoder that does not take in or give what most do."""
_IMAGENET, _OWN = "imagenet", "own"
_CPU_UNFREEZE = UNFREEZE[:2]
_AUTO_EPOCHS = Choices((5, 10, 20))
_CPU_AUTO_EPOCHS = Choices((5,), fixed=True)
_ONLY_WITH = {
    "C": ("head", LOGISTIC), "momentum": ("optimizer", "sgd"), "step_epochs": ("schedule", "step")
}  # fmt: skip
"""Settings that are sampled only with one value of another setting."""
_OF_NETWORKS = frozenset(
    {
        *("head_layers", "dropout", "norm_statistics", "optimizer", "momentum", "learning_rate"),
        *("schedule", "step_epochs", "weight_decay", "epochs", "batch_size", "seed"),
    }
)
"""Settings without meaning for a logistic head, which has them by default."""
_MOST_FIRST = 12
"""Trials of the portfolio after the baseline configuration."""

Pick = Callable[[str, str, Dimension], Scalar]
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
        baseline = {**TrialConfig().model_dump(), "unfreeze": "none"}
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
        return self._nearest({**config.model_dump(), "unfreeze": same[0] if same else "none"})

    def _nearest(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the configuration that is searched and nearest to this one."""
        parameters: dict[str, Scalar] = {}

        def nearest(setting: str, name: str, dimension: Dimension) -> Scalar:
            wanted = configuration[setting]
            if setting == "cut" and wanted not in _choices(dimension):
                wanted = [cut for cut in _choices(dimension) if cut != FUSED][-1:]
                wanted = wanted[0] if wanted else FUSED
            if setting == "normalization" and wanted == _IMAGENET:
                wanted = next((one for one in (wanted, _OWN) if one in _choices(dimension)), wanted)
            found = dimension.nearest(wanted)
            if not dimension.fixed:
                parameters[name] = found
            return found

        self._choose(nearest)
        return parameters

    def _choose(self, pick: Pick) -> TrialConfig:
        chosen: dict[str, Any] = {}
        for setting, cases in self.dimensions.items():
            if setting == "unfreeze" and chosen["cut"] == FUSED:
                chosen[setting] = 0
                continue
            if not _has_meaning(setting, chosen):
                continue
            # a name has one range in Optuna, so each case has a name of its own
            case, name = None, setting
            if setting == "cut":
                case, name = chosen["backbone"], f"cut_{chosen['backbone']}"
            elif setting in BY_ENCODER and chosen["backbone"] in cases.named:
                case = chosen["backbone"]
                name = f"{setting}_{case}"
            elif setting in BY_TRAINING:
                case = TRAINED if chosen["unfreeze"] else FROZEN
                name = f"{setting}_unfrozen" if chosen["unfreeze"] else setting
            chosen[setting] = pick(setting, name, cases.of(case))
            if setting == "unfreeze":
                stages = len(_network(chosen["backbone"]).stages_until(chosen["cut"]))
                chosen[setting] = count_trained(chosen[setting], stages)
        return TrialConfig(**chosen, views=self.views)

    @property
    def backbones(self) -> tuple[str, ...]:
        """Backbones that the space names; none for all that have weights."""
        return _unless_all(ALL, self.values("backbone"))

    @property
    def passes(self) -> frozenset[FrozenPass]:
        """The passes through frozen stages that the configurations of a restricted space need."""
        squares = tuple(itertools.product(self.values("image_size"), self.values("resize")))
        found = (
            FrozenPass.of(
                (Encoder.read(body[0]), *body[1:]), cast("NormalizationName", normalization), square
            )
            for body in self._bodies()
            for normalization in _choices(self.dimensions["normalization"].of(body[0]))
            for square in squares
        )
        return frozenset(one for one in found if one)

    def _bodies(self) -> Iterator[tuple[str, str, int]]:
        """Encoder, cut and number of trained stages, for all that may be sampled."""
        words = self.values("unfreeze")
        for encoder in self.values("backbone"):
            for cut in map(str, _choices(self.dimensions["cut"].of(encoder))):
                stages = len(_network(encoder).stages_until(cut))
                counts = {0} if cut == FUSED else {count_trained(word, stages) for word in words}
                yield from ((encoder, cut, count) for count in counts)

    @property
    def whole_bodies(self) -> tuple[str, ...]:
        """Backbones whose classifier the body may keep."""
        return tuple(
            name
            for name in self.backbones or BACKBONES
            if _network(name).classifier in _choices(self._asked_cut(name))
        )

    def _asked_cut(self, encoder: str) -> Dimension:
        """The cuts that were asked for of an encoder by its full name, or else of its network."""
        cuts = self.dimensions["cut"]
        return cuts.of(encoder if encoder in cuts.named else Encoder.read(encoder).name)

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
            has_gpu: Whether trials have a GPU; without one, `auto` trains at most one stage, for 5
                epochs.

        Raises:
            InputError: If a backbone has none of the cuts that the space names.
        """
        changed = dict(self.dimensions)
        if not self.backbones:
            changed["backbone"] = Cases(Choices(tuple(backbones)))
        if self.values("unfreeze") == (AUTO,):
            changed["unfreeze"] = Cases(Choices(UNFREEZE if has_gpu else _CPU_UNFREEZE))
        auto = _AUTO_EPOCHS if has_gpu else _CPU_AUTO_EPOCHS
        changed["epochs"] = changed["epochs"].map(
            lambda epochs: auto if epochs == Choices((AUTO,), fixed=True) else epochs
        )
        cuts: dict[str, Dimension] = {}
        without = []
        for backbone in self.backbones or backbones:
            asked = self._asked_cut(backbone)
            own = tuple(cut for cut in _choices(asked) if has_cut(backbone, str(cut)))
            cuts[backbone] = Choices(own, asked.fixed)
            if _choices(asked) == (ALL,):
                fused = (FUSED,) if self._may_freeze else ()
                cuts[backbone] = Choices((*_network(backbone).cuts, *fused))
            elif FUSED in own and not self._may_freeze:
                raise InputError(
                    f"the cut {FUSED} needs a frozen body: add none to --unfreeze, or name another "
                    "cut"
                )
            elif not own:
                without.append(f"{backbone} (its cuts: {listing(_network(backbone).cuts)})")
        if without:
            raise InputError(
                *[
                    f"each backbone must have one of the cuts {listing(self.values('cut'))}; "
                    f"{one} has none. Name others for it, or drop it" for one in without
                ]
            )  # fmt: skip
        changed["cut"] = Cases(named=cuts)
        changed |= {setting: self._by_encoder(setting, tuple(cuts)) for setting in BY_ENCODER}
        changed["head"] = self._heads(changed["unfreeze"])
        return dataclasses.replace(self, dimensions=changed)

    def _by_encoder(self, setting: str, encoders: Sequence[str]) -> Cases:
        """The values of a setting that have a meaning for each encoder.

        Raises:
            InputError: Naming every encoder for which none has.
        """
        asked = self.dimensions[setting].of()
        fitting = {
            encoder: Choices(_fitting(setting, _choices(asked), encoder), asked.fixed)
            for encoder in encoders
        }
        without = [encoder for encoder, choices in fitting.items() if not choices.values]
        if without:
            needed = {"normalization": "own"}.get(setting, "average")
            raise InputError(
                *(f"{Encoder.read(one).short} needs another {setting} than {asked}: add {needed}"
                  for one in without)
            )  # fmt: skip
        most = Choices(_fitting(setting, _choices(asked), str(TrialConfig().backbone)), asked.fixed)
        named = {encoder: choices for encoder, choices in fitting.items() if choices != most}
        return Cases(most if len(named) < len(fitting) else None, named)

    @property
    def _may_freeze(self) -> bool:
        """Whether a body may be all frozen."""
        return bool({AUTO, UNFREEZE[0], 0} & set(self.values("unfreeze")))

    def _heads(self, unfreeze: Cases) -> Cases:
        """Heads by whether stages are trained, which a logistic head does not allow.

        Raises:
            InputError: If stages may be trained and no other head is searched.
        """
        cases = self.dimensions["head"]
        frozen, trained = _choices(cases.of(FROZEN)), _choices(cases.of(TRAINED))
        others = tuple(head for head in trained if head != LOGISTIC)
        if others == trained:
            return cases
        if not others:
            if set(_choices(unfreeze.of())) - {UNFREEZE[0], 0}:
                raise InputError(
                    "a logistic head needs a frozen body: use --unfreeze none, or another head for "
                    "trained stages"
                )
            return cases
        return Cases(named={FROZEN: Choices(frozen), TRAINED: Choices(others)})

    def with_views(self, views: int) -> "Space":
        """The same configurations for examinations of so many images."""
        return dataclasses.replace(self, views=views)

    def to_dict(self) -> dict[str, Any]:
        """Content of the file that describes the space: a value, list or range per setting."""
        dimensions = {setting: cases.to_dict() for setting, cases in self.dimensions.items()}
        return {**dimensions, FIRST: [dict(settings) for settings in self.first]}


def _network(encoder: object) -> Backbone:
    return Encoder.read(str(encoder)).network


def _fitting(setting: str, asked: Sequence[Scalar], encoder: str) -> tuple[Scalar, ...]:
    """Those of the values that have a meaning for an encoder.

    Where both `imagenet` and `own` are asked for, each encoder has one of them: the normalization
    that its weights were learned with.
    """
    backbone = _network(encoder)
    if setting == "pool":
        return tuple(pool for pool in asked if pool in backbone.layout.pools)
    if backbone.channels == 1:
        return tuple(name for name in asked if name == _OWN)
    if not {_IMAGENET, _OWN} <= set(asked):
        return tuple(asked)
    kept = _IMAGENET if backbone.own == IMAGENET_SCALE else _OWN
    return tuple(kept if name == _IMAGENET else name for name in asked if name != _OWN)


def _has_meaning(setting: str, chosen: Mapping[str, Any]) -> bool:
    """Whether a setting means anything beside those that are chosen already."""
    if chosen.get("head") == LOGISTIC and setting in _OF_NETWORKS:
        return False
    if setting == "stage_decay":
        return bool(chosen["unfreeze"])
    if setting == "covariates":
        return not chosen["unfreeze"]
    if setting == "augment":
        stages = _network(chosen["backbone"]).stages_until(chosen["cut"])
        return bool(chosen["unfreeze"] == len(stages))
    needed, value = _ONLY_WITH.get(setting, (None, None))
    return needed is None or bool(chosen[needed] == value)


def _choices(dimension: Dimension) -> tuple[Scalar, ...]:
    """The values of a setting that has no range."""
    assert isinstance(dimension, Choices)  # a range of names is refused as it is read
    return dimension.values


def _unless_all(word: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return () if values == (word,) else values
