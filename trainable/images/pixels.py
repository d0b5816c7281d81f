"""The cohort's pixels: each image decoded once, into one array that trials map, not copy."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from trainable.errors import InputError, listing
from trainable.files import digest
from trainable.images.decoding import DECODE_RULE, UnreadableImageError, decode
from trainable.store import ArrayStore


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and deviation of all grey values of a cohort, as fractions of white (0 to 1)."""

    mean: float
    std: float


def pixels_key(hashes: Sequence[str], size: int) -> str:
    """Name of the array: the content of the images in order, the size, and how they are decoded."""
    text = "\n".join([DECODE_RULE, f"pillow {PIL.__version__}", str(size), *hashes])
    return f"pixels-{size}-{digest(text)}"


def load_pixels(
    paths: Sequence[str], hashes: Sequence[str], size: int, store: ArrayStore
) -> NDArray[np.uint8]:
    """Decode all images, or find them decoded.

    Args:
        paths: the image files.
        hashes: SHA-256 of each file, which the array is named by.
        size: edge of the square in pixels.
        store: where the array is kept between runs.

    Returns:
        Read-only array of shape (num_images, size, size), grey, 0 to 255, in the order of `paths`.

    Raises:
        InputError: naming every file that cannot be read.
    """

    def compute(rows: slice) -> NDArray[np.uint8]:
        decoded, failed = _decode_all(paths[rows], size)
        if failed:
            _, failed = _decode_all(paths, size)
            raise InputError(
                f"every image must be readable; {len(failed)} are not: {listing(failed, 20)}"
            )
        return decoded

    shape = (len(paths), size, size)
    return store.get_or_compute(pixels_key(hashes, size), shape, np.uint8, compute)


def pixel_statistics(pixels: NDArray[np.uint8]) -> PixelStatistics:
    """Mean and deviation over the whole cohort, exact, from its histogram."""
    counts = sum(np.bincount(image.ravel(), minlength=256) for image in pixels)
    levels = np.arange(256) / 255.0
    mean = float(np.average(levels, weights=counts))
    variance = float(np.average((levels - mean) ** 2, weights=counts))
    return PixelStatistics(mean, variance**0.5)


def _decode_all(paths: Sequence[str], size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """The images, and what is wrong with those that cannot be read."""
    pixels = np.empty((len(paths), size, size), np.uint8)

    def decode_into(index: int) -> str | None:
        try:
            pixels[index] = decode(Path(paths[index]).read_bytes(), size)
        except (UnreadableImageError, OSError) as error:
            return f"{paths[index]} ({error})"
        return None

    # pillow releases the interpreter's lock while it decodes and resizes: threads suffice
    with ThreadPoolExecutor() as pool:
        return pixels, [error for error in pool.map(decode_into, range(len(paths))) if error]
