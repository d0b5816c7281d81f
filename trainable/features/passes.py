"""Forward passes through frozen stages: which one a trial needs."""

from typing import NamedTuple

from trainable.backbones.encoder import Encoder
from trainable.config import TrialConfig
from trainable.images.preprocessing import Preprocessing

PERCENTS = (25, 50)
"""Shares of the patients after which passes that are behind the others stop."""


class FrozenPass(NamedTuple):
    """One pass of all images through the frozen stages of an encoder.

    Trials with the same pass share what it computed.

    Attributes:
        encoder: The encoder.
        preprocessing: What is done to the images.
        until: Cut point of the last frozen stage.
        pooled: Whether the features of each stage are kept, and not the activations of the last.
    """

    encoder: Encoder
    preprocessing: Preprocessing
    until: str
    pooled: bool

    @classmethod
    def of(
        cls, encoder: Encoder, cut: str, num_trained: int, preprocessing: Preprocessing
    ) -> "FrozenPass | None":
        """The pass that a trial needs, with this number of trained stages; None if all are."""
        if num_trained == 0:
            stages, pooled = encoder.network.pooled_stages(cut), True
        else:
            stages, pooled = encoder.network.stages_until(cut)[:-num_trained], False
        return cls(encoder, preprocessing, stages[-1].cut, pooled) if stages else None


def pass_of(config: TrialConfig) -> FrozenPass | None:
    """The pass that a trial takes part in the race with; None if it needs no pooled features."""
    found = FrozenPass.of(config.backbone, config.cut, config.unfreeze, config.preprocessing)
    return found if found and found.pooled else None
