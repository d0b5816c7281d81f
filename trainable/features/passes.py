"""Forward passes through frozen stages: which one a trial needs."""

from typing import NamedTuple

from trainable.backbones.encoder import Encoder
from trainable.images.decoding import Resize
from trainable.images.normalization import NormalizationName


class FrozenPass(NamedTuple):
    """One pass of all images through the frozen stages of an encoder.

    Trials with the same pass share what it computed.

    Attributes:
        encoder: The encoder.
        normalization: Normalization of the images.
        image_size: Edge of the images in pixels.
        resize: How they become squares.
        until: Cut point of the last frozen stage.
        pooled: Whether the features of each stage are kept, and not the activations of the last.
    """

    encoder: Encoder
    normalization: NormalizationName
    image_size: int
    resize: Resize
    until: str
    pooled: bool

    @classmethod
    def of(
        cls,
        body: tuple[Encoder, str, int],
        normalization: NormalizationName,
        square: tuple[int, Resize],
    ) -> "FrozenPass | None":
        """The pass that a trial needs; None if all stages are trained.

        Args:
            body: Encoder, cut and number of trained stages.
            normalization: Normalization of the images.
            square: Size of the images, and how they become squares.
        """
        encoder, cut, num_trained = body
        backbone = encoder.network
        if num_trained == 0:
            stages, pooled = backbone.pooled_stages(cut), True
        else:
            stages, pooled = backbone.stages_until(cut)[:-num_trained], False
        return cls(encoder, normalization, *square, stages[-1].cut, pooled) if stages else None
