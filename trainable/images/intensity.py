"""What is black and what is white: one rule for all deep images of a cohort."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.errors import UnreadableImageError
from trainable.images.preprocessing import Limits

DETECTOR_BITS = (8, 10, 12, 14, 16)
"""Bits per pixel of detectors, which images of 16 bits are stored from."""

_FEWEST, _IMAGES_PER_ODD_ONE = 8, 100
_HOT_SHARE = 0.005
_MARKER_SHARE = 0.05


def value_range(values: NDArray[Any]) -> tuple[float, float]:
    """The range of an image without hot pixels and burnt-in markers.

    Whole numbers from 0 on: 0 and the largest value of the smallest detector that all pixels fit,
    but for at most 0.5 % of them, or 5 % that lie apart by a factor of 2. Other numbers: the
    quantiles of 0.5 % at both ends.

    Args:
        values: Pixels, of any shape and at least one.

    Raises:
        UnreadableImageError: If a value is not finite.
    """
    if not np.isfinite(values).all():
        raise UnreadableImageError("the image holds values that are no numbers (NaN or infinite)")
    if is_whole(values) and values.min() >= 0 and values.max() < 2 ** max(DETECTOR_BITS):
        return 0.0, float(_detector_white(values.astype(np.uint16, copy=False)))
    low, high = np.quantile(values, [_HOT_SHARE, 1 - _HOT_SHARE])
    return float(low), float(high)


def is_whole(values: NDArray[Any]) -> bool:
    """Whether the pixels are whole numbers, by their type or their values."""
    return bool(np.issubdtype(values.dtype, np.integer)) or bool((values == np.rint(values)).all())


def _detector_white(values: NDArray[np.uint16]) -> int:
    counts = np.bincount(values.ravel(), minlength=1)
    for bits in DETECTOR_BITS[:-1]:
        above = counts[2**bits :]
        share = above.sum() / values.size
        apart = not above[: 2**bits].any()
        if share <= _HOT_SHARE or (share <= _MARKER_SHARE and apart):
            return int(2**bits - 1)
    return int(2 ** DETECTOR_BITS[-1] - 1)


def common_limits(ranges: NDArray[np.float64], whole: NDArray[np.bool_]) -> Limits:
    """Black and white of a cohort, from the ranges of its images.

    They are those of nearly all images: 1 % of the images, and at least one of 8 or more, may have
    other values, and are cut off where they would double the range of all others.

    Args:
        ranges: (num_images, 2), low and high, at least one image.
        whole: (num_images,), whether all values of an image are whole numbers.

    Returns:
        For whole numbers from 0 on the largest detector; for fractions 0 to 1 where all fit into
        that, else 0 to 255, else the range of the cohort.
    """
    spare = max(1, len(ranges) // _IMAGES_PER_ODD_ONE) if len(ranges) >= _FEWEST else 0
    of_detector = whole & (ranges[:, 0] >= 0)
    if (~of_detector).sum() <= spare:
        return Limits(0.0, _ends(ranges[of_detector], spare)[1])
    low, high = _ends(ranges, spare)
    for white in (1.0, 255.0):
        if low >= 0 and 0.1 * white < high <= white:
            return Limits(0.0, white)
    return Limits(low, high if high > low else low + 1)


def _ends(ranges: NDArray[np.float64], spare: int) -> tuple[float, float]:
    """The lowest and highest end, without those of `spare` images if they double the range."""
    lows, highs = np.sort(ranges, axis=0).T
    most = highs[-1] - lows[0]
    if spare < len(ranges):
        low, high = lows[spare], highs[-1 - spare]
        if 0 < 2 * (high - low) <= most:
            return float(low), float(high)
    return float(lows[0]), float(highs[-1])


def to_grey(
    values: NDArray[np.float32], limits: Limits, *, is_inverted: bool
) -> NDArray[np.float32]:
    """Grey values of deep values, 0 black to 255 white.

    What lies outside the limits is black or white before an image is resized, so that a hot pixel
    does not spread.
    """
    black, white = limits
    grey = (values - np.float32(black)) * np.float32(255.0 / (white - black))
    np.clip(grey, 0, 255, out=grey)
    return 255 - grey if is_inverted else grey


def to_bytes(grey: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values as bytes; what lies outside is black or white."""
    return np.asarray(np.clip(grey, 0, 255).round(), np.uint8)
