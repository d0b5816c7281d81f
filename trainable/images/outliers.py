"""Images that stand out: worth a look before anything is trained on them, or predicted of them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainable.errors import listing
from trainable.images.preprocessing import Limits, PixelStatistics
from trainable.images.survey import by_field
from trainable.images.usual_look import Looks, UsualLook

_LONG = 2.0
_MANY_TIMES = 4

Names = NDArray[np.object_]
Oddities = Mapping[str, NDArray[np.bool_]]
"""What is odd, such as "are far darker than the rest", and of which images (num_images,)."""


def describe_outliers(
    images: Sequence[str],
    surveys: NDArray[np.float64],
    looks: Looks,
    limits: Limits | None = None,
) -> Iterator[str]:
    """A sentence for each way in which images of a cohort stand out, with their names.

    Args:
        images: Name of each image.
        surveys: (num_images, number of fields), the fields of `Survey` for each image.
        looks: Looks of all images.
        limits: Black and white of deep images.
    """
    names = np.asarray(images, object)
    yield from describe_oddities(names, _odd(surveys, looks, UsualLook.of(looks), "the rest"))
    yield from _describe_raw(names, surveys)
    if limits is not None:
        yield from _describe_limits(names, surveys, limits, "the rest")


def odd_images(
    surveys: NDArray[np.float64], looks: Looks, training: PixelStatistics
) -> dict[str, NDArray[np.bool_]]:
    """In which ways single new images are unlike those of the training.

    Args:
        surveys: (num_images, number of fields), the fields of `Survey` for each image.
        looks: Looks of all images.
        training: What is known of the training images.
    """
    return _odd(surveys, looks, training.look, "the training")


def describe_oddities(images: Sequence[str] | Names, odd: Oddities) -> Iterator[str]:
    """A sentence for each way in which some images are odd, with their names."""
    names = np.asarray(images, object)
    for what, rows in odd.items():
        if rows.any():
            yield f"images that {what} ({int(rows.sum())}): {listing(names[rows])}"


def describe_unlike(
    images: Sequence[str],
    surveys: NDArray[np.float64],
    looks: Looks,
    training: PixelStatistics,
) -> Iterator[str]:
    """A sentence for each way in which new images as a whole are unlike those of the training.

    Args:
        images: Name of each image.
        surveys: (num_images, number of fields), the fields of `Survey` for each image.
        looks: Looks of all images.
        training: What is known of the training images.
    """
    names, rest = np.asarray(images, object), "the training"
    if training.look is not None:
        yield from training.look.describe_shift(looks)
    yield from _describe_raw(names, surveys)
    deep = by_field(surveys)["is_deep"] == 1
    if training.limits is not None:
        yield from _describe_limits(names, surveys, training.limits, rest)
    elif deep.any():
        yield (
            f"images of more than 8 bits, which the training lacks ({int(deep.sum())}): "
            f"{listing(names[deep])}. Each has a black and a white of its own: save them as the "
            "training images were saved"
        )


def any_odd(odd: Oddities) -> NDArray[np.bool_]:
    """Which images (num_images,) are odd in some way."""
    return np.asarray(np.any([*odd.values()], axis=0), np.bool_)


def _odd(
    surveys: NDArray[np.float64], looks: Looks, usual: UsualLook | None, rest: str
) -> dict[str, NDArray[np.bool_]]:
    found = {"are (nearly) of one grey": looks.flat}
    if usual is not None:
        quarters, inverted = usual.quarters(looks), usual.is_inverted(looks)
        found |= {
            f"are far darker than {rest}": usual.is_dark(looks),
            f"are far brighter than {rest}": usual.is_bright(looks),
            f"look inverted, or upside down, against {rest}": inverted,
            f"look turned by 90 degrees against {rest}": quarters % 2 == 1,
            f"look upside down against {rest}": (quarters == 2) & ~inverted,
        }
    seen = by_field(surveys)
    width, height = seen["width"], seen["height"]
    long = np.maximum(width, height) >= _LONG * np.minimum(width, height)
    tiny = np.minimum(width, height) < looks.size / 2
    return found | {
        f"are {_LONG:g} times as long as wide, or as wide as long": long,
        f"are smaller than half of the {looks.size} px that networks see": tiny,
    }


def _describe_raw(names: Names, surveys: NDArray[np.float64]) -> Iterator[str]:
    raw = by_field(surveys)["is_raw"] == 1
    if raw.any() and not raw.all():
        yield (
            f"raw pictures of the detector (DICOM FOR PROCESSING) lie among those for viewing "
            f"({int(raw.sum())}): {listing(names[raw])}. They often show an exposure a second "
            "time, inverted and darker: leave them out"
        )


def _describe_limits(
    names: Names, surveys: NDArray[np.float64], limits: Limits, rest: str
) -> Iterator[str]:
    """What the common black and white does to images that have other values than most."""
    seen = by_field(surveys)
    deep, low, high = seen["is_deep"] == 1, seen["low"], seen["high"]
    cut = deep & ((high > limits.white) | (low < limits.black))
    if cut.any():
        yield (
            f"images whose values are beyond the black and white of {rest} ({limits.black:g} and "
            f"{limits.white:g}) are cut off there ({int(cut.sum())}): {listing(names[cut])}. Save "
            f"them with the bits of {rest}, or leave them out"
        )
    usual = float(np.median((high - low)[deep])) if deep.any() else 0.0
    span = limits.white - limits.black
    if 0 < usual * _MANY_TIMES <= span:
        wide = deep & ((high - low) * _MANY_TIMES > span)
        larger = f" Images with the larger values ({int(wide.sum())}): {listing(names[wide])}."
        yield (
            f"white is {limits.white:g} in every image of more than 8 bits, and {span / usual:.0f} "
            f"times the range of the median image, so most are dark.{larger if wide.any() else ''} "
            "Save all with the bits of one detector"
        )
