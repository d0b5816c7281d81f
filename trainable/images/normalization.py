"""The normalizations that a trial can sample: grey bytes in, three channels out."""

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from trainable.images.pixels import PixelStatistics

NormalizationName = Literal["none", "imagenet", "cohort", "image", "own"]
NORMALIZATIONS: tuple[NormalizationName, ...] = get_args(NormalizationName)
"""none: 0 to 1. imagenet: by ImageNet's channels. cohort, image: to mean 0 and standard deviation
1, by the whole cohort's grey values (its labels play no part) or by each image's own. own: as the
images that the weights were learned from."""


class Scale(NamedTuple):
    """What is subtracted from the grey values of each channel, and what they are divided by then.

    Attributes:
        mean: For each channel, as a fraction of white.
        std: For each channel, as a fraction of white.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET_SCALE = Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_LEAST_STD = 1 / 255  # an image of one grey stays finite


def normalize(
    pixels: Tensor,
    name: NormalizationName,
    cohort: PixelStatistics,
    own: Scale = IMAGENET_SCALE,
) -> Tensor:
    """Turn grey bytes into a network's input.

    Args:
        pixels: uint8 of shape (batch, size, size).
        name: Name of the normalization.
        cohort: Mean and standard deviation for "cohort".
        own: Scale for "own"; it also says how many channels the network takes in.

    Returns:
        float32 of shape (batch, channels, size, size), on the device of `pixels`.
    """
    grey = pixels.to(torch.float32).div_(255).unsqueeze(1)
    if name == "cohort":
        grey = (grey - cohort.mean) / max(cohort.std, _LEAST_STD)
    elif name == "image":
        mean = grey.mean(dim=(2, 3), keepdim=True)
        std = grey.std(dim=(2, 3), keepdim=True, correction=0).clamp_min(_LEAST_STD)
        grey = (grey - mean) / std
    if name in ("imagenet", "own"):
        scale = own if name == "own" else IMAGENET_SCALE
        # by numbers, not by tensors: a copy to a GPU in each batch would keep it waiting
        channels = [(grey - mean) / std for mean, std in zip(*scale, strict=True)]
        return torch.cat(channels, dim=1)
    return grey.expand(-1, len(own.mean), -1, -1).contiguous()
