"""Images that stand out in a cohort: worth a look before anything is trained on them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trainable.errors import listing
from trainable.images.decoding import Survey

_GRID = 16
_FEWEST = 8
_NEARLY_ONE_GREY = 6
_FAR = 60
_ROBUST = 6
_INVERTED, _ALIKE = -0.4, 0.3
_LONG = 2.0


def describe_outliers(
    images: Sequence[str], surveys: NDArray[np.float64], pixels: NDArray[np.uint8]
) -> Iterator[str]:
    """A sentence for each way in which images stand out, with their names.

    Args:
        images: Name of each image.
        surveys: (num_images, 6), the fields of `Survey` for each image.
        pixels: uint8 (num_images, size, size).
    """
    names = np.asarray(images, object)
    size = pixels.shape[1]
    step = max(1, size // 64)
    small = pixels[:, ::step, ::step]
    low, middle, high = np.percentile(small.reshape(len(small), -1), [2, 50, 98], axis=1)
    flat = high - low <= _NEARLY_ONE_GREY
    width, height = (surveys[:, Survey._fields.index(name)] for name in ("width", "height"))
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
