"""The cohort that a search asks for: its images decoded, looked at, and split."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.options.options import SearchOptions
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import find_look_alikes, keep_together, with_perceptual_hashes
from trainable.cohort.splits import split_by_shares
from trainable.errors import InputError, flag
from trainable.images.outliers import describe_outliers
from trainable.images.perceptual_hash import perceptual_hashes_of_files
from trainable.images.pixels import cohort_limits, load_pixels, load_surveys
from trainable.images.preprocessing import Limits, Square
from trainable.store.arrays import ArrayStore


class Decoded(NamedTuple):
    """All images as a search needs them.

    Attributes:
        pixels: uint8 (num_images, size, size), by their square.
        surveys: (num_images, number of fields), the fields of `Survey`.
        limits: Black and white of deep images.
        perceptual_hashes: (num_images, 32).
        odd_images: Notes on images that stand out, a sentence each.
    """

    pixels: Mapping[Square, NDArray[np.uint8]]
    surveys: NDArray[np.float64]
    limits: Limits | None
    perceptual_hashes: NDArray[np.uint8]
    odd_images: tuple[str, ...]


def decode(cohort: Cohort, squares: Sequence[Square], store: ArrayStore) -> Decoded:
    """Decode the images of a cohort, once for all trials, and look at them.

    Raises:
        InputError: Naming every image that cannot be read.
    """
    paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
    surveys = load_surveys(paths, hashes, store)
    limits = cohort_limits(surveys)
    pixels = {square: load_pixels(paths, hashes, square, store, limits) for square in squares}
    names, sharpest = tuple(cohort.manifest["image"]), pixels[max(pixels)]
    odd = describe_outliers(names, surveys, sharpest, limits)
    alike = perceptual_hashes_of_files(paths, hashes, pixels, store, limits)
    return Decoded(pixels, surveys, limits, alike, tuple(odd))


def arrange(cohort: Cohort, decoded: Decoded | None, options: SearchOptions) -> Cohort:
    """A new cohort as the search has it: with hashes, images kept together, and split, as asked.

    Raises:
        InputError: As `_split` does.
    """
    if decoded is not None:
        cohort = with_perceptual_hashes(cohort, decoded.perceptual_hashes)
        if options.advanced.group_duplicates:
            cohort = keep_together(cohort, find_look_alikes(cohort))
    return _split(cohort, options)


def _split(cohort: Cohort, options: SearchOptions) -> Cohort:
    """The images, split into shares if that was asked for.

    Raises:
        InputError: If shares cannot be had beside the other options, or of so few patients.
    """
    shares = options.scoring.shares
    if shares is None:
        return cohort
    given = options.given
    folds = [f"{flag(name)} {given[name]}" for name in ("folds", "repeats") if name in given]
    if folds:
        raise InputError(
            f"--shares is one split without folds: drop it, or drop {' and '.join(folds)}"
        )
    if cohort.is_split:
        raise InputError("--shares splits the images anew: add --split merge, or drop --shares")
    return split_by_shares(cohort, shares, options.advanced.seed)
