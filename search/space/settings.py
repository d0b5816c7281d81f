"""Each setting of a trial as a search knows it: one row, read by all that reads or samples it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from search.space.dimension import Scalar
from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder
from trainable.backbones.layout import count_trained, read_unfreeze
from trainable.config import FrozenHead, NetworkHead
from trainable.images.scale import IMAGENET_SCALE

Chosen = Mapping[str, Any]
"""Settings of a trial: those that are chosen so far, and the defaults of the others."""

ALL = "all"
AUTO = "auto"
FROZEN, TRAINED = "frozen", "trained"
_IMAGENET, _OWN = "imagenet", "own"


@dataclass(frozen=True)
class Setting:
    """What is particular to one setting; what a value may be is said by its field.

    Attributes:
        name: Field of `TrialConfig`.
        option: Option of `cxr-search` that fixes or narrows the setting, if there is one.
        when: Whether the setting means anything beside those that are chosen already.
        by: What its values may differ by: the encoder, or whether stages are trained.
        read: From a value in a file to one that the field takes; a ValueError says what is wrong.
        open_word: Word for all values that can run here; it stands alone.
        words: Further words that stand for a value.
        auto: What the word `auto` stands for, with a GPU (True) and without one.
        settled: From a word to the value of a trial.
        fitting: Those of the values asked for that have a meaning for an encoder.
        always_fits: Value that has a meaning for every encoder.
        nearest: The value to begin with in place of one that is not among those that are searched.
        no_range: Why the setting has no range.
    """

    name: str
    option: str = ""
    when: Callable[[Chosen], bool] = lambda _: True
    by: Literal["", "encoder", "training"] = ""
    read: Callable[[Any], Any] = lambda raw: raw
    open_word: str = ""
    words: tuple[str, ...] = ()
    auto: Mapping[bool, tuple[Scalar, ...]] = field(default_factory=dict)
    settled: Callable[[Any, Chosen], Any] = lambda value, _: value
    fitting: Callable[[Sequence[Scalar], str], tuple[Scalar, ...]] | None = None
    always_fits: str = ""
    nearest: Callable[[Any, Sequence[Scalar]], Any] | None = None
    no_range: str = ""

    @property
    def may_differ(self) -> bool:
        """Whether a file may give the values for each case."""
        return bool(self.by) and self.fitting is None

    def case(self, chosen: Chosen, named: Mapping[str, Any]) -> tuple[str | None, str]:
        """The case that is chosen, and Optuna's name of the setting in it.

        A name has one range in Optuna, so each case has a name of its own.
        """
        if self.by == "training":
            return (TRAINED, f"{self.name}_unfrozen") if chosen["unfreeze"] else (FROZEN, self.name)
        if self.by == "encoder" and chosen["backbone"] in named:
            return chosen["backbone"], f"{self.name}_{chosen['backbone']}"
        return None, self.name


def _only_with(setting: str, value: Scalar) -> Callable[[Chosen], bool]:
    return lambda chosen: bool(chosen[setting] == value)


def head_is(*names: str) -> Callable[[Chosen], bool]:
    """Whether the head is one of these."""
    return lambda chosen: chosen["head"] in names


of_networks = head_is(*get_args(NetworkHead))


def _num_stages(chosen: Chosen) -> int:
    return len(Encoder.read(chosen["backbone"]).network.stages_until(chosen["cut"]))


def _encoder(raw: object) -> str:
    encoder = Encoder.read(str(raw))
    _ = encoder.network
    return str(encoder)


def _nearest_cut(wanted: str, cuts: Sequence[Scalar]) -> Scalar:
    """The last cut where the wanted one is not among them."""
    if wanted in cuts:
        return wanted
    return next((cut for cut in reversed(cuts) if cut != FUSED), FUSED)


def _nearest_normalization(wanted: str, names: Sequence[Scalar]) -> str:
    is_other = wanted == _IMAGENET and _IMAGENET not in names and _OWN in names
    return _OWN if is_other else wanted


def _fitting_normalizations(asked: Sequence[Scalar], encoder: str) -> tuple[Scalar, ...]:
    """Where both `imagenet` and `own` are asked for, the one that the weights were learned with."""
    backbone = Encoder.read(encoder).network
    if backbone.channels == 1:
        return tuple(name for name in asked if name == _OWN)
    if not {_IMAGENET, _OWN} <= set(asked):
        return tuple(asked)
    kept = _IMAGENET if backbone.own == IMAGENET_SCALE else _OWN
    return tuple(kept if name == _IMAGENET else name for name in asked if name != _OWN)


def _fitting_pools(asked: Sequence[Scalar], encoder: str) -> tuple[Scalar, ...]:
    return tuple(pool for pool in asked if pool in Encoder.read(encoder).network.layout.pools)


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("backbone", option="backbones", read=_encoder, open_word=ALL),
        Setting("cut", by="encoder", read=str, open_word=ALL, nearest=_nearest_cut),
        Setting(
            "unfreeze",
            option="unfreeze",
            when=lambda chosen: bool(chosen["cut"] != FUSED),
            read=read_unfreeze,
            open_word=AUTO,
            words=(ALL,),
            auto={True: (0, 1, 2, ALL), False: (0, 1)},
            settled=lambda asked, chosen: count_trained(asked, _num_stages(chosen)),
        ),
        Setting("covariates", when=_only_with("unfreeze", 0)),
        Setting(
            "normalization",
            option="normalizations",
            by="encoder",
            fitting=_fitting_normalizations,
            always_fits=_OWN,
            nearest=_nearest_normalization,
        ),
        Setting("pool", by="encoder", fitting=_fitting_pools, always_fits="average"),
        Setting("head", by="training"),
        Setting("C", when=head_is(*get_args(FrozenHead))),
        Setting("learning_rate", when=of_networks, by="training"),
        Setting("stage_decay", when=lambda chosen: chosen["unfreeze"] > 0),
        Setting("augment", when=lambda chosen: bool(chosen["unfreeze"] == _num_stages(chosen))),
        # one layer in a file, 512, is a number there
        Setting(
            "head_layers",
            when=of_networks,
            read=lambda raw: str(raw) if isinstance(raw, int) else raw,
        ),
        Setting("dropout", when=of_networks),
        Setting("norm_statistics", when=of_networks),
        Setting("weight_decay", when=of_networks),
        Setting("positive_weight"),
        Setting("positive_copies"),
        Setting("optimizer", when=of_networks),
        # without gradient steps the optimizer and the schedule have their defaults
        Setting("momentum", when=_only_with("optimizer", "sgd")),
        Setting("schedule", when=of_networks),
        Setting("step_epochs", when=_only_with("schedule", "step")),
        Setting(
            "image_size",
            option="image_size",
            no_range="must be a value or a list, since images are decoded for each size",
        ),
        Setting("batch_size", option="batch_size", when=of_networks),
        Setting("resize", option="resize"),
        Setting(
            "epochs",
            option="epochs",
            when=of_networks,
            by="training",
            open_word=AUTO,
            auto={True: (5, 10, 20), False: (5,)},
        ),
        Setting("seed", when=of_networks),
    )
}
"""Every setting that is searched, by its name."""

OF_COHORT = frozenset({"views"})
"""Fields of `TrialConfig` that the cohort decides, and no search."""

SPACE_SETTINGS: Mapping[str, str] = {
    setting.option: setting.name for setting in SETTINGS.values() if setting.option
}
"""Options that fix or narrow a setting of the search space, and the setting."""
