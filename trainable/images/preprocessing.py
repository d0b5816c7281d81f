"""How an image becomes a network's input: a square of grey bytes, then numbers in channels."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from trainable.images.scale import IMAGENET_SCALE, Scale
from trainable.images.usual_look import UsualLook

Resize = Literal["stretch", "pad", "crop"]
"""How an image becomes a square: stretched; with black at its short sides; its central square.

Only stretching changes shapes, such as the ratio of heart to chest. Only cropping loses pixels."""

NormalizationName = Literal["none", "imagenet", "cohort", "image", "own"]
NORMALIZATIONS: tuple[NormalizationName, ...] = get_args(NormalizationName)
"""none: 0 to 1. imagenet: by ImageNet's channels. cohort, image: to mean 0 and standard deviation
1, by the whole cohort's grey values (its labels play no part) or by each image's own. own: as the
images that the weights were learned from."""

_LEAST_STD = 1 / 255  # an image of one grey stays finite


class Limits(NamedTuple):
    """The values that are shown black and white, of images of more than 8 bits per pixel."""

    black: float
    white: float


@dataclass(frozen=True)
class PixelStatistics:
    """What is known of all pixels of a cohort, and holds for new images too.

    Attributes:
        mean: Mean of all grey values, as a fraction of white (0 to 1).
        std: Standard deviation of all grey values, as a fraction of white.
        limits: Values of black and white of images with more than 8 bits per pixel; None if the
            cohort has none of these.
        look: What the images usually look like; None where an earlier version did not keep it, or
            where there are too few images.
    """

    mean: float
    std: float
    limits: Limits | None = None
    look: UsualLook | None = None


class Square(NamedTuple):
    """What image files are decoded to, once for all trials that need the same.

    Attributes:
        size: Edge in pixels.
        resize: How an image becomes a square.
    """

    size: int
    resize: Resize = "stretch"


@dataclass(frozen=True)
class Preprocessing:
    """All that is done to an image before a network sees it; networks with the same share images.

    Attributes:
        square: What the image is decoded to.
        normalization: What is done to its grey values.
        scale: Of the channels, if the normalization is by those of ImageNet or of the network's own
            images; as many as the network has channels.
    """

    square: Square
    normalization: NormalizationName = "none"
    scale: Scale = IMAGENET_SCALE

    def normalize(self, pixels: Tensor, cohort: PixelStatistics) -> Tensor:
        """Turn grey bytes into a network's input.

        Args:
            pixels: uint8 of shape (batch, size, size).
            cohort: Mean and standard deviation for "cohort".

        Returns:
            float32 of shape (batch, channels, size, size), on the device of `pixels`.
        """
        grey = pixels.to(torch.float32).div_(255).unsqueeze(1)
        if self.normalization == "cohort":
            grey = (grey - cohort.mean) / max(cohort.std, _LEAST_STD)
        elif self.normalization == "image":
            mean = grey.mean(dim=(2, 3), keepdim=True)
            std = grey.std(dim=(2, 3), keepdim=True, correction=0).clamp_min(_LEAST_STD)
            grey = (grey - mean) / std
        elif self.normalization != "none":
            # by numbers, not by tensors: a copy to a GPU in each batch would keep it waiting
            channels = [(grey - mean) / std for mean, std in zip(*self.scale, strict=True)]
            return torch.cat(channels, dim=1)
        return grey.expand(-1, len(self.scale.mean), -1, -1).contiguous()
