"""A cohort as a search has it: what is kept together, split, or left out fold by fold."""

import numpy as np
from numpy.typing import NDArray

from search.options.options import SearchOptions
from trainable.cohort.by_value import with_folds_by
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import find_look_alikes, keep_together, with_perceptual_hashes
from trainable.cohort.splits import split_by_shares
from trainable.errors import InputError, flag
from trainable.reading.one_column import read_column, table_of
from trainable.reading.options import DataOptions


def arrange(
    cohort: Cohort,
    perceptual_hashes: NDArray[np.uint8] | None,
    options: SearchOptions,
    images: DataOptions,
) -> Cohort:
    """A new cohort as the search has it: with hashes, images kept together, and split, as asked.

    Args:
        cohort: The images as they were read.
        perceptual_hashes: (num_images, 32); None if images could not be decoded.
        options: All options.
        images: Place of the images on this machine.

    Raises:
        InputError: As `_split` and `_left_out_by` do.
    """
    if perceptual_hashes is not None:
        cohort = with_perceptual_hashes(cohort, perceptual_hashes)
        if options.advanced.group_duplicates:
            cohort = keep_together(cohort, find_look_alikes(cohort))
    return _left_out_by(_split(cohort, options), options, images)


def _split(cohort: Cohort, options: SearchOptions) -> Cohort:
    """The images, split into shares if that was asked for.

    Raises:
        InputError: If shares cannot be had beside the other options, or of so few patients; or if
            there are folds to draw beside a side to score on.
    """
    shares = options.scoring.shares
    given, of_folds = options.given, ("folds", "folds_by", "repeats")
    folds = [f"{flag(name)} {given[name]}" for name in of_folds if name in given]
    if folds and shares is None and cohort.has_one_fold:
        raise InputError(
            "trials are trained on train and scored on val, without folds: drop "
            f"{' and '.join(folds)}, or cross-validate all together with --split merge"
        )
    if shares is None:
        return cohort
    if folds:
        raise InputError(
            f"--shares is one split without folds: drop it, or drop {' and '.join(folds)}"
        )
    if cohort.is_split:
        raise InputError("--shares splits the images anew: add --split merge, or drop --shares")
    return split_by_shares(cohort, shares, options.advanced.seed)


def _left_out_by(cohort: Cohort, options: SearchOptions, images: DataOptions) -> Cohort:
    """The cohort with the folds of --folds-by, where it is given.

    Raises:
        InputError: If there is no such column, or its values cannot be left out; or if folds are to
            be drawn too.
    """
    scoring, seed = options.scoring, options.advanced.seed
    if scoring.folds_by is None:
        return cohort
    option = flag("folds_by")
    if options.given.get("repeats", 1) > 1:
        raise InputError(
            f"{option} leaves the same values out each time: drop --repeats {scoring.repeats}"
        )
    text = read_column(cohort, scoring.folds_by, table_of(images), option)
    return with_folds_by(cohort, text, scoring.folds, seed, option)
