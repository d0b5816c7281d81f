"""What of a space can run here: the words `all` and `auto` become values, encoder by encoder."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import get_args

from search.space.dimension import Cases, Choices, Dimension, choices
from search.space.settings import ALL, AUTO, FROZEN, SETTINGS, TRAINED, Setting
from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder
from trainable.config import FrozenHead, TrialConfig
from trainable.errors import InputError, listing


def restricted(
    dimensions: Mapping[str, Cases], encoders: Sequence[str], *, has_gpu: bool
) -> dict[str, Cases]:
    """The dimensions of each setting that can run here.

    Args:
        dimensions: Those that are asked for.
        encoders: Encoders to choose from; they have weights.
        has_gpu: Whether trials have a GPU; without one, `auto` is what a CPU can do.

    Raises:
        InputError: If a setting has no value left.
    """
    found = {
        name: cases.map(partial(_opened, SETTINGS[name], has_gpu))
        for name, cases in dimensions.items()
    }
    if dimensions["backbone"].values == (ALL,):
        found["backbone"] = Cases(Choices(tuple(encoders)))
    may_freeze = 0 in found["unfreeze"].values
    found["cut"] = _cuts(dimensions["cut"], encoders, may_freeze=may_freeze)
    for name, setting in SETTINGS.items():
        if setting.fitting:
            found[name] = _by_encoder(setting, dimensions[name].of(), encoders)
    found["head"] = _heads(found["head"], found["unfreeze"].of())
    return found


def _opened(setting: Setting, has_gpu: bool, dimension: Dimension) -> Dimension:
    """What `auto` stands for here; another dimension as it is."""
    if not setting.auto or str(dimension) != AUTO:
        return dimension
    values = setting.auto[has_gpu]
    return Choices(values, fixed=len(values) == 1)


def asked_cut(cuts: Cases, encoder: str) -> Dimension:
    """The cuts that were asked for of an encoder by its full name, or else of its network."""
    return cuts.of(encoder if encoder in cuts.named else Encoder.read(encoder).name)


def _cuts(cuts: Cases, encoders: Sequence[str], *, may_freeze: bool) -> Cases:
    """The cuts of each encoder that are asked for, or all.

    Raises:
        InputError: Naming every encoder that has none of them.
    """
    found: dict[str, Dimension] = {}
    without = []
    for encoder in encoders:
        asked, backbone = asked_cut(cuts, encoder), Encoder.read(encoder).network
        if choices(asked) == (ALL,):
            fused = (FUSED,) if may_freeze else ()
            found[encoder] = Choices((*backbone.cuts, *fused))
            continue
        own = tuple(cut for cut in choices(asked) if cut in backbone.all_cuts)
        found[encoder] = Choices(own, asked.fixed)
        if not own:
            without.append(f"{encoder} (its cuts: {listing(backbone.cuts)})")
        elif FUSED in own and not may_freeze:
            raise InputError(
                f"the cut {FUSED} needs a frozen body: add 0 to --unfreeze, or name another cut"
            )
    if without:
        asked_for = listing(cuts.values)
        raise InputError(
            *(
                f"each backbone must have one of the cuts {asked_for}; {one} has none. "
                "Name others for it, or drop it"
                for one in without
            )
        )
    return Cases(named=found)


def _by_encoder(setting: Setting, asked: Dimension, encoders: Sequence[str]) -> Cases:
    """The values of a setting that have a meaning for each encoder.

    Raises:
        InputError: Naming every encoder for which none has.
    """

    def of(encoder: str) -> Choices:
        assert setting.fitting is not None
        return Choices(setting.fitting(choices(asked), encoder), asked.fixed)

    own = {encoder: of(encoder) for encoder in encoders}
    without = [encoder for encoder, found in own.items() if not found.values]
    if without:
        raise InputError(
            *(
                f"{Encoder.read(one).short} needs another {setting.name} than {asked}: "
                f"add {setting.always_fits}"
                for one in without
            )
        )
    most = of(str(TrialConfig().backbone))
    named = {encoder: found for encoder, found in own.items() if found != most}
    return Cases(most if len(named) < len(own) else None, named)


def _heads(heads: Cases, unfreeze: Dimension) -> Cases:
    """Heads by whether stages are trained, which some heads do not allow.

    Raises:
        InputError: If stages may be trained and no other head is searched.
    """
    frozen, trained = choices(heads.of(FROZEN)), choices(heads.of(TRAINED))
    others = tuple(head for head in trained if head not in get_args(FrozenHead))
    if others == trained:
        return heads
    if not others:
        if set(choices(unfreeze)) - {0}:
            raise InputError(
                f"a {trained[0]} head needs a frozen body: use --unfreeze 0, or another head "
                "for trained stages"
            )
        return heads
    return Cases(named={FROZEN: Choices(frozen), TRAINED: Choices(others)})
