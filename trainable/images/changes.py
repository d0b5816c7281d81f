"""Small fixed changes of images, as another machine or another hand would make them."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from trainable.files import digest
from trainable.images.augmentation import turned
from trainable.images.loading import Images

_CHANGE_RULE = "brightness and contrast by Pillow's factors, crop of each side, bilinear, v1"
"""Part of the key of every changed array: change it whenever a pixel could change."""

_BY = 0.1  # of brightness and contrast
_DEGREES = 5.0
_CROPPED = 0.05  # of the edge, on each side

_Grey = NDArray[np.uint8]
"""(size, size), grey, 0 black to 255 white."""


def _enhanced(image: _Grey, by: type, factor: float) -> _Grey:
    return np.asarray(by(Image.fromarray(image)).enhance(factor), np.uint8)


def _cropped(image: _Grey) -> _Grey:
    size = len(image)
    side = _CROPPED * size
    box = (side, side, size - side, size - side)
    return np.asarray(
        Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box), np.uint8
    )


CHANGES: Mapping[str, Callable[[_Grey], _Grey]] = {
    "brighter by 10 %": partial(_enhanced, by=ImageEnhance.Brightness, factor=1 + _BY),
    "darker by 10 %": partial(_enhanced, by=ImageEnhance.Brightness, factor=1 - _BY),
    "contrast up by 10 %": partial(_enhanced, by=ImageEnhance.Contrast, factor=1 + _BY),
    "contrast down by 10 %": partial(_enhanced, by=ImageEnhance.Contrast, factor=1 - _BY),
    "cropped by 5 %": _cropped,
    "turned left by 5°": partial(turned, degrees=_DEGREES),
    "turned right by 5°": partial(turned, degrees=-_DEGREES),
}
"""Each change by its name; it maps an image to one of the same shape."""


def changed(images: Images, change: str) -> Images:
    """All of the images, changed.

    Args:
        images: Images without augmented views.
        change: A name in `CHANGES`.
    """
    given: NDArray[np.uint8] = np.asarray(images.pixels[np.arange(len(images.pixels))])
    pixels = np.stack([CHANGES[change](image) for image in given])
    rule = digest("\n".join([images.name.what, _CHANGE_RULE, change]))
    size = pixels.shape[1]
    return Images(
        pixels, images.statistics, images.name.of_same_rows(f"pixels-{size}-changed-{rule}")
    )
