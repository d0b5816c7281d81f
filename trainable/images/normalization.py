"""The normalizations that a trial can sample: grey bytes in, three channels out."""

from typing import Literal, get_args

import torch
from torch import Tensor

from trainable.images.pixels import PixelStatistics

NormalizationName = Literal["none", "imagenet", "cohort", "image"]
NORMALIZATIONS: tuple[NormalizationName, ...] = get_args(NormalizationName)
"""none: 0 to 1. imagenet: by ImageNet's channels. cohort, image: to mean 0 and deviation 1, by the
whole cohort's grey values (its labels play no part) or by each image's own."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_LEAST_STD = 1 / 255  # an image of one grey stays finite


def normalize(pixels: Tensor, name: NormalizationName, cohort: PixelStatistics) -> Tensor:
    """Turn grey bytes into a network's input.

    Args:
        pixels: uint8 of shape (batch, size, size).
        name: Name of the normalization.
        cohort: mean and deviation for "cohort".

    Returns:
        float32 of shape (batch, 3, size, size), on the device of `pixels`.
    """
    grey = pixels.to(torch.float32).div_(255).unsqueeze(1)
    if name == "cohort":
        grey = (grey - cohort.mean) / max(cohort.std, _LEAST_STD)
    elif name == "image":
        mean = grey.mean(dim=(2, 3), keepdim=True)
        std = grey.std(dim=(2, 3), keepdim=True, correction=0).clamp_min(_LEAST_STD)
        grey = (grey - mean) / std
    channels = grey.expand(-1, 3, -1, -1)
    if name == "imagenet":
        shape = (1, 3, 1, 1)
        mean = torch.tensor(_IMAGENET_MEAN, device=grey.device).view(shape)
        std = torch.tensor(_IMAGENET_STD, device=grey.device).view(shape)
        return (channels - mean) / std
    return channels.contiguous()
