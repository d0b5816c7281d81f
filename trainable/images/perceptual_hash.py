"""Perceptual hashes of 256 bits: copies of an image are found, whatever their format and size."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.files import digest
from trainable.images.pixels import load_pixels, pixels_name
from trainable.images.preprocessing import Limits, Square
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Rows

_EDGE = 16
_BITS = _EDGE * _EDGE
HASH_BYTES = _BITS // 8
"""Bytes of a perceptual hash."""

ALIKE, SURELY_ALIKE = 32, 16
"""Most bits that two copies of an image differ by, in any contrast and in much the same one.

Measured on 854 real X-rays (2026-11-29), with a copy of every sixth. Within 32 bits are all copies
saved as JPEG of quality 30, at half of the size, or as a negative; 90 % of the equalized ones,
92 % and 95 % of those of gamma 0.5 and 2, 92 % of those with a window of half of the greys; all
that are cropped by 1 % a side, and none by 3 %; no mirrored or rotated ones. Within 16 bits are
38, 24, 15, 22 and 52 % of the changed ones. Of 364,231 pairs of X-rays, two are within 32 bits,
both true copies; the next differ by 38. Of very many X-rays, some pairs within 32 bits are none.
"""

HOW_SURE = (
    "measured on 854 X-rays, the rule of looks missed up to 10 % of copies in another contrast and "
    "all mirrored ones; it took no other pair for copies"
)
"""How often the rule of `ALIKE` was wrong, for people."""

_BANDS = 11
"""Hashes within 32 bits agree in one of 11 bands but for 2 bits at most, since 11 times 3 is more.

So they share a key of that band, where each of the two gives its band with no bit or one turned.
"""

_ROW_BITS = 32  # of a number that holds a key and a row
_CANDIDATES = 2**18  # pairs that are compared at a time

_FEWEST_SET = _BITS // 4  # about half of the bits are set; none to speak of in an image of one grey
_HASHED = 64  # pixels a side of what is hashed
_HASH_RULE = "phash 16, v1"


def load_perceptual_hashes(
    pixels: NDArray[np.uint8],
    hashes: Sequence[str],
    store: ArrayStore,
    limits: Limits | None = None,
) -> NDArray[np.uint8]:
    """The perceptual hash of each image (pHash of the package imagehash), or find it stored.

    Args:
        pixels: (num_images, size, size).
        hashes: SHA-256 of each file, which its row is named by.
        store: Store that keeps the array between runs.
        limits: Black and white that the pixels of deep images were made with.

    Returns:
        (num_images, 32), 256 bits for each image.
    """

    def compute(rows: Rows) -> NDArray[np.uint8]:
        from imagehash import phash  # slow to import, and not needed for a stored cohort

        # most of the time would go into the last resizing, from hundreds of pixels to 64
        step = max(1, pixels.shape[1] // _HASHED)
        small = [Image.fromarray(image).reduce(step) for image in pixels[rows]]
        bits = [phash(image, hash_size=_EDGE).hash.ravel() for image in small]
        return np.packbits(np.stack(bits), axis=1)

    seen = pixels_name(hashes, Square(pixels.shape[1]), limits)
    name = seen.of_same_rows(f"looks-{digest(f'{_HASH_RULE} {seen.what}')}")
    return store.get_or_compute(name, (HASH_BYTES,), np.uint8, compute)


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
        return load_perceptual_hashes(pixels[Square(max(sizes))], hashes, store, limits)
    small = load_pixels(paths, hashes, Square(_HASHED), store, limits)
    return load_perceptual_hashes(small, hashes, store, limits)


def bits_apart(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Bits by which each hash of (num_pairs, 32) differs from another, or from its negative."""
    apart: NDArray[np.int64] = np.bitwise_count(hashes ^ others).sum(axis=1, dtype=np.int64)
    return np.asarray(np.minimum(apart, _BITS - apart))


def find_alike(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pairs of images within `ALIKE` bits: (num_pairs, 2), rows of `hashes` and of `others`.

    All pairs are found, though bands of the hashes are compared, and not each image with each.
    Images of (nearly) one grey have too few bits, and are in no pair.

    Args:
        hashes: (num_images, 32).
        others: (num_others, 32).
    """
    rows, other_rows = _with_content(hashes), _with_content(others)
    whole, other_whole = _words(hashes[rows]), _words(others[other_rows])
    found = np.empty(0, np.int64)  # each pair as one number
    for band in range(_BANDS):
        index = _Index.of(others[other_rows], band)
        near = [found]
        asked = index if others is hashes else _Index.of(hashes[rows], band)
        for words, of_band in ((whole, asked), (~whole, asked.negative())):
            for mine, theirs in index.candidates(of_band):
                apart = np.bitwise_count(words[mine] ^ other_whole[theirs]).sum(axis=1, dtype=int)
                are_near = apart <= ALIKE
                near.append(np.unique(mine[are_near] * len(other_rows) + theirs[are_near]))
        found = np.unique(np.concatenate(near))
    first, second = np.divmod(found, max(1, len(other_rows)))
    return np.stack([rows[first], other_rows[second]], axis=1)


class _Index(NamedTuple):
    """Keys of a band, sorted, and the row of each.

    Attributes:
        keys: Bits of a band, and the same with each of its bits turned.
        rows: Rows that the keys are of.
        largest: Key of a band whose bits are all set.
    """

    keys: NDArray[np.int64]
    rows: NDArray[np.int64]
    largest: int

    @classmethod
    def of(cls, hashes: NDArray[np.uint8], band: int) -> "_Index":
        """Index one of the bands of hashes (num_images, 32)."""
        # neighbouring bits of a hash are alike in many X-rays, so a band takes every 11th
        bits = np.unpackbits(hashes, axis=1)[:, band::_BANDS]
        powers = np.int64(1) << np.arange(bits.shape[1])
        keys = (bits @ powers)[:, None] ^ np.array([0, *powers])
        # numpy sorts numbers much faster than it says in which order they would be sorted
        both = np.sort((keys << _ROW_BITS | np.arange(len(keys))[:, None]).ravel())
        return cls(both >> _ROW_BITS, both & (2**_ROW_BITS - 1), int(powers.sum()))

    def negative(self) -> "_Index":
        """The index of the same hashes with every bit turned."""
        return _Index((self.largest - self.keys)[::-1], self.rows[::-1], self.largest)

    def candidates(self, asked: "_Index") -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows of another index and of this one that share a key, a part of them at a time."""
        first = np.searchsorted(self.keys, asked.keys, "left")
        counts = np.searchsorted(self.keys, asked.keys, "right") - first
        ends = counts.cumsum()
        start = 0
        while start < len(counts):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _CANDIDATES, "right")))
            of_each = counts[start:stop]
            places = np.arange(of_each.sum()) + np.repeat(
                first[start:stop] - (ends[start:stop] - of_each - before), of_each
            )
            yield np.repeat(asked.rows[start:stop], of_each), self.rows[places]
            start = stop


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(hashes).view(np.uint64)


def _with_content(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Rows of images that are not of (nearly) one grey."""
    return np.flatnonzero(np.bitwise_count(hashes).sum(axis=1, dtype=int) >= _FEWEST_SET)
