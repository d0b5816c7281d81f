"""Perceptual hashes of 256 bits: copies of an image are found, whatever their format and size."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.files import digest
from trainable.images.pixels import load_pixels
from trainable.images.preprocessing import Limits, Square
from trainable.store.arrays import ArrayStore

_EDGE = 16
_BITS = _EDGE * _EDGE
HASH_BYTES = _BITS // 8
"""Bytes of a perceptual hash."""

_ALIKE = 16
"""Most bits that two copies of an image differ by.

Measured on 854 real X-rays (2026-11-25): copies saved as JPEG or WebP, or resized, differ by at
most 10 bits, X-rays of different patients by at least 46. One cropped copy was found, at 14 bits.
"""

_FEWEST_SET = _BITS // 4  # about half of the bits are set; none to speak of in an image of one grey
_HASHED = 64  # pixels a side of what is hashed
_HASH_RULE = "phash 16, v1"


def load_perceptual_hashes(
    pixels: NDArray[np.uint8], hashes: Sequence[str], store: ArrayStore
) -> NDArray[np.uint8]:
    """The perceptual hash of each image (pHash of the package imagehash), or find it stored.

    Args:
        pixels: (num_images, size, size).
        hashes: SHA-256 of each file, which the array is named by.
        store: Store that keeps the array between runs.

    Returns:
        (num_images, 32), 256 bits for each image.
    """

    def compute(rows: slice) -> NDArray[np.uint8]:
        from imagehash import phash  # slow to import, and not needed for a stored cohort

        # most of the time would go into the last resizing, from hundreds of pixels to 64
        step = max(1, pixels.shape[1] // _HASHED)
        small = [Image.fromarray(image).reduce(step) for image in pixels[rows]]
        bits = [phash(image, hash_size=_EDGE).hash.ravel() for image in small]
        return np.packbits(np.stack(bits), axis=1)

    key = digest("\n".join([_HASH_RULE, str(pixels.shape[1]), *hashes]))
    return store.get_or_compute(f"looks-{key}", (len(pixels), HASH_BYTES), np.uint8, compute)


def perceptual_hashes_of_files(
    paths: Sequence[str],
    hashes: Sequence[str],
    pixels: Mapping[Square, NDArray[np.uint8]],
    store: ArrayStore,
    limits: Limits | None,
) -> NDArray[np.uint8]:
    """The perceptual hash of each image, always of its stretched pixels, so that all compare.

    Args:
        paths: Image files.
        hashes: SHA-256 of each file.
        pixels: What the files are decoded to already, by their square.
        store: Store that keeps the arrays between runs.
        limits: Black and white of deep images.

    Returns:
        (num_images, 32), 256 bits for each image.
    """
    sizes = [size for size, resize in pixels if resize == "stretch"]
    if sizes:
        return load_perceptual_hashes(pixels[Square(max(sizes))], hashes, store)
    small = load_pixels(paths, hashes, Square(_HASHED), store, limits)
    return load_perceptual_hashes(small, hashes, store)


def find_alike(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pairs of images that look the same: (num_pairs, 2), rows of `hashes` and of `others`.

    Images of (nearly) one grey have too few bits, and are in no pair.
    """
    from sklearn.neighbors import NearestNeighbors  # slow to import

    bits, other_bits = np.unpackbits(hashes, axis=1), np.unpackbits(others, axis=1)
    rows = np.flatnonzero(bits.sum(axis=1) >= _FEWEST_SET)
    other_rows = np.flatnonzero(other_bits.sum(axis=1) >= _FEWEST_SET)
    if not len(rows) or not len(other_rows):
        return np.empty((0, 2), np.int64)
    # of zeros and ones, the squared distance is the number of bits that differ
    search = NearestNeighbors(radius=(_ALIKE + 0.5) ** 0.5, algorithm="brute")
    search.fit(other_bits[other_rows].astype(np.float32))
    graph = search.radius_neighbors_graph(bits[rows].astype(np.float32)).tocoo()
    return np.stack([rows[graph.row], other_rows[graph.col]], axis=1).astype(np.int64)
