"""The cohort's pixels: each image decoded once, into one array that trials map, not copy."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import PIL
from numpy.typing import NDArray

from trainable.errors import Checks, InputError, UnreadableImageError, unreadable_images
from trainable.files import digest
from trainable.images.decoding import DECODE_RULE, decode
from trainable.images.intensity import common_limits
from trainable.images.preprocessing import Limits, PixelStatistics, Square
from trainable.images.survey import SURVEY_RULE, Survey, by_field, survey
from trainable.images.usual_look import LOOK_RULE, NUM_NUMBERS, Looks, UsualLook, look_at
from trainable.store.arrays import ArrayStore
from trainable.store.lazy import AnyArray

_COUNT_RULE = "greys v1"
"""Part of the key of stored counts: change it whenever a count could change."""

_NUM_GREYS = 256

_SMALL = 32  # pixels a side, where pixels are not used

_Use = Callable[[int, bytes], object]
"""Uses the number of a file and its bytes."""


def pixels_key(hashes: Sequence[str], square: Square, limits: Limits | None = None) -> str:
    """Name of the array: the content of the images in order, the size, and how they are decoded."""
    size, resize = square
    rule = [DECODE_RULE, f"pillow {PIL.__version__}", str(size)]
    if limits is not None:
        rule.append(f"black {limits.black!r} white {limits.white!r}")
    if resize != "stretch":
        rule.append(resize)
    return f"pixels-{size}-{digest(chr(10).join([*rule, *hashes]))}"


def load_surveys(
    paths: Sequence[str], hashes: Sequence[str], store: ArrayStore
) -> NDArray[np.float64]:
    """Look at all images before their pixels are used, or find what was seen.

    Args:
        paths: Image files.
        hashes: SHA-256 of each file, which the array is named by.
        store: Store that keeps the array between runs.

    Returns:
        Read-only array of shape (num_images, number of fields), the fields of `Survey`.

    Raises:
        InputError: Naming every file that is no image.
    """
    fields = len(Survey._fields)

    def compute(rows: slice) -> NDArray[np.float64]:
        surveys = np.empty((rows.stop - rows.start, fields))

        def look(index: int, data: bytes) -> None:
            surveys[index - rows.start] = survey(data)

        if _failed(paths, range(rows.start, rows.stop), look):
            _refuse(paths, lambda _, data: survey(data), store, key)
        return surveys

    key = f"survey-{digest(chr(10).join([SURVEY_RULE, *hashes]))}"
    return store.get_or_compute(key, (len(paths), fields), np.float64, compute)


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
        hashes: SHA-256 of each file, which the array is named by.
        square: What each image becomes.
        store: Store that keeps the array between runs.
        limits: Black and white of deep images, a property of the cohort.

    Returns:
        Read-only array of shape (num_images, size, size), grey, 0 to 255, in the order of `paths`.

    Raises:
        InputError: Naming every file that cannot be read.
    """
    size, resize = square

    def compute(rows: slice) -> NDArray[np.uint8]:
        pixels = np.empty((rows.stop - rows.start, size, size), np.uint8)

        def keep(index: int, data: bytes) -> None:
            pixels[index - rows.start] = decode(data, size, limits, resize)

        if _failed(paths, range(rows.start, rows.stop), keep):
            _refuse(paths, lambda _, data: decode(data, size, limits, resize), store, key)
        return pixels

    key, shape = pixels_key(hashes, square, limits), (len(paths), size, size)
    return store.get_or_compute(key, shape, np.uint8, compute)


def load_looks(pixels: AnyArray, key: str, store: ArrayStore) -> Looks:
    """Look at images, or find what was seen; then no pixel is read.

    Args:
        pixels: (num_images, size, size), at least one image.
        key: Name of the pixels in the store.
        store: Store that keeps the looks between runs.
    """
    name, shape = f"looks-{digest(f'{LOOK_RULE} {key}')}", (len(pixels), NUM_NUMBERS)
    table = store.get_or_compute(
        name, shape, np.float64, lambda rows: look_at(pixels[rows]).table()
    )
    return Looks.of_table(table, pixels.shape[1])


def load_grey_counts(
    images: Callable[[], Iterable[NDArray[np.uint8]]], key: str, store: ArrayStore
) -> NDArray[np.int64]:
    """Count the greys of images, or find them counted; then no pixel is read.

    Args:
        images: Gives the images.
        key: Name of what they are, and of nothing else.
        store: Store that keeps the counts between runs.
    """
    name, shape = f"looks-{digest(f'{_COUNT_RULE} {key}')}", (1, _NUM_GREYS)
    return np.asarray(
        store.get_or_compute(name, shape, np.int64, lambda _: count_greys(images())[None])[0]
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
    """What is known of all images of a cohort; mean and deviation are exact, from `count_greys`."""
    levels = np.arange(_NUM_GREYS) / 255.0
    mean = float(np.average(levels, weights=counts))
    variance = float(np.average((levels - mean) ** 2, weights=counts))
    return PixelStatistics(mean, variance**0.5, limits, look)


def check_readable(paths: Sequence[str], checks: Checks) -> None:
    """Decode images and keep none of them, to name those that cannot be read.

    It is for input that is refused in any case, so that all its problems are told at once.
    """
    failed = unreadable(paths)
    if failed:
        checks.add(*_refusal(paths, failed).problems)


def unreadable(paths: Sequence[str]) -> dict[int, str]:
    """Which images cannot be read, by their number, and why; all are decoded, and none is kept."""
    return _failed(paths, range(len(paths)), lambda _, data: decode(data, _SMALL))


def _refusal(paths: Sequence[str], failed: Mapping[int, str]) -> InputError:
    return unreadable_images([f"{paths[index]} ({reason})" for index, reason in failed.items()])


def _failed(paths: Sequence[str], rows: Sequence[int], use: _Use) -> dict[int, str]:
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
        reasons = zip(rows, pool.map(attempt, rows), strict=True)
        return {index: reason for index, reason in reasons if reason is not None}


def _refuse(paths: Sequence[str], use: _Use, store: ArrayStore, key: str) -> NoReturn:
    """Name all files that cannot be read; no pixel is kept, whatever the size of the cohort."""
    store.discard(key)
    raise _refusal(paths, _failed(paths, range(len(paths)), use))
