"""Forward passes through frozen stages: which one a trial needs, and what one image costs in it."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from trainable.backbones.backbone import FUSED, Backbone
from trainable.backbones.find import find_backbone
from trainable.images.decoding import Resize
from trainable.images.normalization import NormalizationName

_FLOAT, _HALF = 4, 2
"""Bytes of a stored feature, and of a stored activation."""
_SMALL = 192
"""Edge of the image that convolutions are timed on; their time grows with its area."""


class FrozenPass(NamedTuple):
    """One pass of all images through the frozen stages of an encoder.

    Trials with the same pass share what it computed.

    Attributes:
        encoder: Name of the encoder.
        normalization: Normalization of the images.
        image_size: Edge of the images in pixels.
        resize: How they become squares.
        until: Cut point of the last frozen stage.
        pooled: Whether the features of each stage are kept, and not the activations of the last.
    """

    encoder: str
    normalization: NormalizationName
    image_size: int
    resize: Resize
    until: str
    pooled: bool

    @classmethod
    def of(
        cls,
        body: tuple[str, str, int],
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
        backbone = find_backbone(encoder)
        if num_trained == 0:
            stages, pooled = backbone.pooled_stages(cut), True
        else:
            stages, pooled = backbone.stages_until(cut)[:-num_trained], False
        return cls(encoder, normalization, *square, stages[-1].cut, pooled) if stages else None


class ImageCost(NamedTuple):
    """What one image costs in a pass, on one CPU core.

    Attributes:
        seconds: Time.
        num_bytes: Bytes that are stored.
    """

    seconds: float
    num_bytes: int


@torch.inference_mode()
def time_encoder(encoder: str, image_size: int) -> Mapping[tuple[str, bool], ImageCost]:
    """Time one image in a network, for each end of its frozen stages.

    The weights do not matter and are all 0. An image that convolutions take in is smaller, and its
    time is multiplied; the attention of a vision transformer does not grow with the area alone.

    The time is that of the processor, whatever else runs on it.

    Returns:
        Costs by the name of the last cut point, and whether features are pooled.
    """
    backbone = find_backbone(encoder)
    is_tokens = bool(backbone.layout.prefix_tokens)
    edge = image_size if is_tokens else min(image_size, _SMALL)
    area = (image_size / edge) ** 2
    found: dict[tuple[str, bool], ImageCost] = {}
    model = _zero_model(backbone)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images = torch.zeros(1, backbone.channels, edge, edge)
        maps, seconds = images.contiguous(memory_format=torch.channels_last), 0.0
        for stage in backbone.pooled_stages(FUSED):
            module = stage.module(model).eval()
            began = time.thread_time()
            maps = module(maps)
            seconds += area * (time.thread_time() - began)
            found[stage.cut, False] = ImageCost(seconds, int(area * maps.numel() * _HALF))
            found[stage.cut, True] = ImageCost(seconds, backbone.pooled_width(FUSED) * _FLOAT)
    finally:
        torch.set_num_threads(threads)
    return found


def _zero_model(backbone: Backbone) -> nn.Module:
    """The network without the time that random weights take."""
    try:
        with torch.device("meta"):
            model = backbone.build()
    except NotImplementedError:  # a RegNet reads its numbers as it is built
        return backbone.build().eval()
    model = model.to_empty(device="cpu").eval()
    for values in (*model.parameters(), *model.buffers()):
        values.zero_()
    return model
