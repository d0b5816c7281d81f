"""The cohort's pixels: each image decoded once, into one array that trials map, not copy."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import ArrayLike, DTypeLike, NDArray

from trainable.errors import Checks, InputError, UnreadableImageError, unreadable_images
from trainable.files import digest
from trainable.images.decoding import DECODE_RULE, decode
from trainable.images.intensity import common_limits
from trainable.images.preprocessing import Limits, PixelStatistics, Square
from trainable.images.survey import SURVEY_RULE, Survey, by_field, survey
from trainable.images.usual_look import LOOK_RULE, NUM_NUMBERS, Looks, UsualLook, look_at
from trainable.store.array_file import Array
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Rows
from trainable.store.lazy import AnyArray
from trainable.store.table_name import TableName

_COUNT_RULE = "greys v1"
"""Part of the key of stored counts: change it whenever a count could change."""

_NUM_GREYS = 256

_SMALL = 32  # pixels a side, where pixels are not used

_Use = Callable[[int, bytes], object]
"""Uses the number of a file and its bytes."""


def pixels_name(hashes: Sequence[str], square: Square, limits: Limits | None = None) -> TableName:
    """Name of a table of pixels: how images are decoded, and the SHA-256 of each file."""
    size, resize = square
    rule = [DECODE_RULE, f"pillow {PIL.__version__}", str(size)]
    if limits is not None:
        rule.append(f"black {limits.black!r} white {limits.white!r}")
    if resize != "stretch":
        rule.append(resize)
    return TableName(f"pixels-{size}-{digest(chr(10).join(rule))}", tuple(hashes))


def load_surveys(
    paths: Sequence[str], hashes: Sequence[str], store: ArrayStore
) -> NDArray[np.float64]:
    """Look at all images before their pixels are used, or find what was seen.

    Args:
        paths: Image files.
        hashes: SHA-256 of each file, which its row is named by.
        store: Store that keeps the array between runs.

    Returns:
        Read-only array of shape (num_images, number of fields), the fields of `Survey`.

    Raises:
        InputError: Naming every file that is no image.
    """
    name = TableName(f"survey-{digest(SURVEY_RULE)}", tuple(hashes))
    return _load(name, paths, (len(Survey._fields),), np.float64, survey, store)


def cohort_limits(surveys: NDArray[np.float64]) -> Limits | None:
    """Black and white of a cohort's deep images, from `load_surveys`; None if it has none.

    Test images of a split count too: their labels play no part, and no few of them can move it.
    """
    seen = by_field(surveys[surveys[:, Survey._fields.index("is_deep")] == 1])
    if not len(seen["low"]):
        return None
    return common_limits(np.stack([seen["low"], seen["high"]], axis=1), seen["is_whole"] == 1)


def load_pixels(
    paths: Sequence[str],
    hashes: Sequence[str],
    square: Square,
    store: ArrayStore,
    limits: Limits | None = None,
) -> NDArray[np.uint8]:
    """Decode all images, or find them decoded.

    Args:
        paths: Image files.
        hashes: SHA-256 of each file, which its row is named by.
        square: What each image becomes.
        store: Store that keeps the array between runs.
        limits: Black and white of deep images, a property of the cohort.

    Returns:
        Read-only array of shape (num_images, size, size), grey, 0 to 255, in the order of `paths`.

    Raises:
        InputError: Naming every file that cannot be read.
    """
    size, resize = square
    name = pixels_name(hashes, square, limits)

    def decoded(data: bytes) -> NDArray[np.uint8]:
        return decode(data, size, limits, resize)

    return _load(name, paths, (size, size), np.uint8, decoded, store)


def _load(
    name: TableName,
    paths: Sequence[str],
    row_shape: tuple[int, ...],
    dtype: DTypeLike,
    read: Callable[[bytes], ArrayLike],
    store: ArrayStore,
) -> Array:
    """A table of what is read of each file.

    Raises:
        InputError: Naming every file that cannot be read; then nothing is kept.
    """

    def compute(rows: Rows) -> Array:
        found = np.empty((len(rows), *row_shape), dtype)

        def keep(place: int, data: bytes) -> None:
            found[place] = read(data)

        if _failed([paths[row] for row in rows], keep):
            store.discard(name)
            raise _refusal(paths, _failed(paths, lambda _, data: read(data)))
        return found

    return store.get_or_compute(name, row_shape, dtype, compute)


def load_looks(pixels: AnyArray, name: TableName, store: ArrayStore) -> Looks:
    """Look at images, or find what was seen; then no pixel is read.

    Args:
        pixels: (num_images, size, size), at least one image.
        name: Name of the pixels in the store.
        store: Store that keeps the looks between runs.
    """
    looks = name.of_same_rows(f"looks-{digest(f'{LOOK_RULE} {name.what}')}")
    table = store.get_or_compute(
        looks, (NUM_NUMBERS,), np.float64, lambda rows: look_at(pixels[rows]).table()
    )
    return Looks.of_table(table, pixels.shape[1])


def load_grey_counts(
    images: Callable[[], Iterable[NDArray[np.uint8]]], name: TableName, store: ArrayStore
) -> NDArray[np.int64]:
    """Count the greys of all images together, or find them counted; then no pixel is read.

    Args:
        images: Gives the images.
        name: Name of their pixels.
        store: Store that keeps the counts between runs.
    """
    counts = TableName(f"looks-{digest(f'{_COUNT_RULE} {name.what}')}", (name.key,))
    return np.asarray(
        store.get_or_compute(
            counts, (_NUM_GREYS,), np.int64, lambda _: count_greys(images())[None]
        )[0]
    )


def count_greys(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """How many pixels (256,) of some images have each grey value."""
    counts = np.zeros(_NUM_GREYS, np.int64)
    for image in images:
        counts += np.bincount(image.ravel(), minlength=_NUM_GREYS)
    return counts


def pixel_statistics(
    counts: NDArray[np.int64],
    limits: Limits | None = None,
    look: UsualLook | None = None,
) -> PixelStatistics:
    """What is known of all images of a cohort, from `count_greys`.

    Mean and standard deviation are rounded, to a power of two between a 16th and a 32nd of the
    standard deviation. Else a few more patients would change every pixel that networks see.
    """
    levels = np.arange(_NUM_GREYS) / 255.0
    mean = float(np.average(levels, weights=counts))
    std = float(np.average((levels - mean) ** 2, weights=counts)) ** 0.5
    if std:
        step = 2.0 ** math.floor(math.log2(std / 16))
        mean, std = round(mean / step) * step, round(std / step) * step
    return PixelStatistics(mean, std, limits, look)


def check_readable(paths: Sequence[str], checks: Checks) -> None:
    """Decode images and keep none of them, to name those that cannot be read.

    It is for input that is refused in any case, so that all its problems are told at once.
    """
    failed = unreadable(paths)
    if failed:
        checks.add(*_refusal(paths, failed).problems)


def unreadable(paths: Sequence[str]) -> dict[int, str]:
    """Which images cannot be read, by their number, and why; all are decoded, and none is kept."""
    return _failed(paths, lambda _, data: decode(data, _SMALL))


def _refusal(paths: Sequence[str], failed: Mapping[int, str]) -> InputError:
    return unreadable_images([f"{paths[index]} ({reason})" for index, reason in failed.items()])


def _failed(paths: Sequence[str], use: _Use) -> dict[int, str]:
    """Use the bytes of each file; the numbers of files that cannot be read, with the reason."""

    def attempt(index: int) -> str | None:
        try:
            use(index, Path(paths[index]).read_bytes())
        except (UnreadableImageError, OSError) as error:
            return str(error.strerror if isinstance(error, OSError) else error)
        return None

    # pillow releases the interpreter's lock while it decodes and resizes: threads suffice
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        # of pillow and pydicom: what matters of them is an error or in a note
        warnings.simplefilter("ignore")
        reasons = enumerate(pool.map(attempt, range(len(paths))))
        return {index: reason for index, reason in reasons if reason is not None}
