"""The numbers by which the grey values of a network's images are normalized."""

from typing import NamedTuple


class Scale(NamedTuple):
    """What is subtracted from the grey values of each channel, and what they are divided by then.

    Attributes:
        mean: For each channel, as a fraction of white.
        std: For each channel, as a fraction of white.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET_SCALE = Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
