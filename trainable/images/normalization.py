"""The normalizations that a trial can sample: grey bytes in, three channels out."""

import functools
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from trainable.images.pixels import PixelStatistics

NormalizationName = Literal["none", "imagenet", "cohort", "image", "own"]
NORMALIZATIONS: tuple[NormalizationName, ...] = get_args(NormalizationName)
"""none: 0 to 1. imagenet: by ImageNet's channels. cohort, image: to mean 0 and deviation 1, by the
whole cohort's grey values (its labels play no part) or by each image's own. own: as the images that
the weights were learned from."""


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
        cohort: Mean and deviation for "cohort".
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
    channels = grey.expand(-1, len(own.mean), -1, -1)
    if name in ("imagenet", "own"):
        scale = own if name == "own" else IMAGENET_SCALE
        mean, std = _on_device(scale, grey.device)
        return (channels - mean) / std
    return channels.contiguous()


@functools.cache
def _on_device(scale: Scale, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation, each (1, channels, 1, 1); copied once, since a copy stops a GPU."""
    mean, std = (torch.tensor(one, device=device).view(1, -1, 1, 1) for one in scale)
    return mean, std
