"""Augmented views of positive images: fixed, so that what is computed of them is shared too."""

import dataclasses
import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.files import digest
from trainable.images.loading import Images
from trainable.images.pixels import pixels_name
from trainable.images.preprocessing import Resize, Square
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Rows
from trainable.store.lazy import LazyArray

VIEW_RULE = "mirrored or not, turned by up to 10 degrees, noise of 2 % of white, v1"
"""Part of the key of every augmented array: change it whenever a pixel could change."""

_MOST_DEGREES = 10.0
_NOISE = 0.02 * 255


def augment(image: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """One augmented view of an image, as Deep-COVID (2020) made of its positive class.

    The image is mirrored or not, turned, its new corners black, and given Gaussian noise. All of it
    is drawn from a seed that is made of the pixels and the number of the view, so the same image
    has the same views in every trial, process and run.

    Args:
        image: (size, size), grey, 0 black to 255 white.
        view: 1 for the first augmented one.

    Returns:
        (size, size), grey.
    """
    rng = np.random.default_rng([view, zlib.crc32(image.tobytes())])
    mirrored = image[:, ::-1] if rng.random() < 0.5 else image
    rotated = turned(mirrored, rng.uniform(-_MOST_DEGREES, _MOST_DEGREES))
    noise = _NOISE * rng.standard_normal(image.shape, np.float32)
    noisy: NDArray[np.float32] = np.asarray(rotated, np.float32) + noise
    return noisy.round().clip(0, 255).astype(np.uint8)


def turned(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """An image (size, size), turned to the left; its new corners are black."""
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR))


def with_augmented(
    images: Images,
    hashes: Sequence[str],
    positives: NDArray[np.int64],
    positive_copies: int,
    store: ArrayStore,
    resize: Resize = "stretch",
) -> Images:
    """The images, and after them the augmented views of some, view by view.

    Each view is a table of its own in the store: trials with three views and with five share what
    they have in common.

    Args:
        images: all of a cohort.
        hashes: SHA-256 of the file of each.
        positives: numbers of the images to be augmented.
        positive_copies: Copies per positive image, the image itself counted.
        store: Store of the augmented pixels.
        resize: How each image became a square.
    """
    row_shape = images.pixels.shape[1:]
    chosen = [hashes[number] for number in positives]
    originals = pixels_name(chosen, Square(row_shape[0], resize), images.statistics.limits)
    text = "\n".join([originals.what, VIEW_RULE, f"numpy {np.__version__}"])
    augmented = []
    for view in range(1, positive_copies):

        def compute(rows: Rows, view: int = view) -> NDArray[np.uint8]:
            return np.stack([augment(images.pixels[n], view) for n in positives[rows]])

        name = originals.of_same_rows(f"pixels-{row_shape[0]}-view{view}-{digest(text)}")
        load = partial(store.get_or_compute, name, row_shape, np.uint8, compute)
        pixels = LazyArray((len(name), *row_shape), np.uint8, load)
        augmented.append(Images(pixels, images.statistics, name))
    return dataclasses.replace(images, augmented=tuple(augmented))
