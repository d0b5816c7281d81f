"""Images that stand out in a cohort: worth a look before anything is trained on them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trainable.errors import listing
from trainable.images.preprocessing import Limits
from trainable.images.survey import by_field

_GRID = 16
_FEWEST = 8
_NEARLY_ONE_GREY = 6
_FAR = 60
_ROBUST = 6
_INVERTED, _ALIKE = -0.4, 0.3
_LONG = 2.0
_MANY_TIMES = 4


def describe_outliers(
    images: Sequence[str],
    surveys: NDArray[np.float64],
    pixels: NDArray[np.uint8],
    limits: Limits | None = None,
) -> Iterator[str]:
    """A sentence for each way in which images stand out, with their names.

    Args:
        images: Name of each image.
        surveys: (num_images, number of fields), the fields of `Survey` for each image.
        pixels: uint8 (num_images, size, size).
        limits: Black and white of deep images.
    """
    names = np.asarray(images, object)
    size = pixels.shape[1]
    step = max(1, size // 64)
    small = pixels[:, ::step, ::step]
    low, middle, high = np.percentile(small.reshape(len(small), -1), [2, 50, 98], axis=1)
    flat = high - low <= _NEARLY_ONE_GREY
    seen = by_field(surveys)
    width, height = seen["width"], seen["height"]
    long = np.maximum(width, height) >= _LONG * np.minimum(width, height)
    tiny = np.minimum(width, height) < size / 2
    dark, bright = _far(middle, flat)
    for rows, what in (
        (flat, "are (nearly) of one grey"),
        (dark, "are far darker than the rest"),
        (bright, "are far brighter than the rest"),
        (_is_inverted(small, flat), "look inverted, or upside down, against the rest"),
        (long, f"are {_LONG:g} times as long as wide, or as wide as long"),
        (tiny, f"are smaller than half of the {size} px that are searched"),
    ):
        if rows.any():
            yield f"images that {what} ({int(rows.sum())}): {listing(names[rows])}"
    raw = seen["is_raw"] == 1
    if raw.any() and not raw.all():
        yield (
            f"raw pictures of the detector (DICOM FOR PROCESSING) lie among those for viewing "
            f"({int(raw.sum())}): {listing(names[raw])}. They often show an exposure a second "
            "time, inverted and darker: leave them out"
        )
    if limits is not None:
        yield from _describe_limits(names, surveys, limits)


def _describe_limits(
    names: NDArray[np.object_], surveys: NDArray[np.float64], limits: Limits
) -> Iterator[str]:
    """What the common black and white does to images that have other values than most."""
    seen = by_field(surveys)
    deep, low, high = seen["is_deep"] == 1, seen["low"], seen["high"]
    cut = deep & ((high > limits.white) | (low < limits.black))
    if cut.any():
        yield (
            f"images whose values are beyond the black and white of the rest ({limits.black:g} and "
            f"{limits.white:g}) are cut off there ({int(cut.sum())}): {listing(names[cut])}. Save "
            "them with the bits of the rest, or leave them out"
        )
    usual = float(np.median((high - low)[deep])) if deep.any() else 0.0
    span = limits.white - limits.black
    if 0 < usual * _MANY_TIMES <= span:
        wide = deep & ((high - low) * _MANY_TIMES > span)
        yield (
            f"white is {limits.white:g} in every image of more than 8 bits, and {span / usual:.0f} "
            f"times the range of the median image, so most are dark. Images with the larger values "
            f"({int(wide.sum())}): {listing(names[wide])}. Save all with the bits of one detector, "
            "or leave these out"
        )


def _far(
    middle: NDArray[np.float64], flat: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Images whose median grey is far below and above that of most."""
    none = np.zeros(len(middle), bool)
    if (~flat).sum() < _FEWEST:
        return none, none
    usual = np.median(middle[~flat])
    spread = np.median(np.abs(middle[~flat] - usual))
    margin = max(_FAR, _ROBUST * spread)
    return (middle < usual - margin) & ~flat, (middle > usual + margin) & ~flat


def _is_inverted(small: NDArray[np.uint8], flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Images that are bright where most are dark: correlated negatively with the usual image."""
    none = np.zeros(len(small), bool)
    if (~flat).sum() < _FEWEST:
        return none
    step = max(1, small.shape[1] // _GRID)
    coarse = small[:, ::step, ::step].reshape(len(small), -1).astype(np.float64)
    usual = np.median(coarse[~flat], axis=0)
    if usual.std() == 0:
        return none
    ranks = coarse - coarse.mean(axis=1, keepdims=True)
    scale = np.maximum(ranks.std(axis=1) * usual.std() * len(usual), 1e-9)
    correlation = ranks @ (usual - usual.mean()) / scale
    if np.median(correlation[~flat]) < _ALIKE:
        return none  # the images have no common look
    return np.asarray((correlation < _INVERTED) & ~flat)
