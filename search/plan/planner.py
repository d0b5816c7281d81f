"""From options to a plan: read and check the images, weights and space before any training."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.options.options import ScoringOptions, SearchOptions
from search.plan.arrange import arrange
from search.plan.plan import SearchPlan
from search.plan.race import race_parts
from search.plan.space import (
    load_space,
    load_weights,
    missing_passes,
    require_few_passes,
)
from search.plan.warm_start import find_warm_start
from search.space.presets import with_defaults
from search.space.protocol import SearchSpace
from trainable.backbones.layout import by_place
from trainable.backbones.weights import Weights
from trainable.cohort.checks import check_cohort
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import describe_look_alikes
from trainable.cohort.rare import without_rare
from trainable.cohort.splits import Fold, make_folds
from trainable.config import TrialConfig
from trainable.errors import Checks, InputError
from trainable.evaluation.scoring import Scoring, ThresholdPolicy
from trainable.evaluation.sources import describe_sources
from trainable.images.outliers import describe_outliers
from trainable.images.perceptual_hash import perceptual_hashes_of_files
from trainable.images.pixels import (
    cohort_limits,
    load_grey_counts,
    load_looks,
    load_pixels,
    load_surveys,
    pixel_statistics,
    pixels_name,
)
from trainable.images.preprocessing import Limits, Square
from trainable.images.usual_look import Looks, UsualLook
from trainable.reading.label_columns import asked_by_name
from trainable.reading.moved_images import require_unchanged
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort
from trainable.store.arrays import ArrayStore
from trainable.trial.task import Task, TrainingData

_NUM_TRIALS = 50


class Decoded(NamedTuple):
    """All images as a search needs them.

    Attributes:
        pixels: uint8 (num_images, size, size), by their square.
        surveys: (num_images, number of fields), the fields of `Survey`.
        limits: Black and white of deep images.
        looks: What the images look like.
        perceptual_hashes: (num_images, 32).
        odd_images: Notes on images that stand out, a sentence each.
    """

    pixels: Mapping[Square, NDArray[np.uint8]]
    surveys: NDArray[np.float64]
    limits: Limits | None
    looks: Looks
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
    sharpest = max(pixels)
    looks = load_looks(pixels[sharpest], pixels_name(hashes, sharpest, limits), store)
    odd = describe_outliers(tuple(cohort.manifest["image"]), surveys, looks, limits)
    alike = perceptual_hashes_of_files(paths, hashes, pixels, store, limits)
    return Decoded(pixels, surveys, limits, looks, alike, tuple(odd))


def plan_search(asked: SearchOptions, images: DataOptions | None = None) -> SearchPlan:
    """Check the options, the images and the weights of a new search, and decode the images.

    Args:
        asked: Options of the command line.
        images: Place of the images on this machine, if the options name another one.

    Raises:
        InputError: Naming every problem found.
    """
    options, checks = with_defaults(asked), Checks()
    space = checks.attempt(lambda: load_space(options))
    cohort = checks.attempt(lambda: _read(images or options.data, options))
    decoded = _decode(options, space, cohort, checks)
    if cohort is not None:
        read = cohort
        hashes = None if decoded is None else decoded.perceptual_hashes
        cohort = checks.attempt(lambda: arrange(read, hashes, options, images or options.data))
    plan = complete(options, space, cohort, decoded, checks)
    if options.space.warm_start is None:
        return plan
    if plan.space.experiments.rows:
        raise InputError(
            "--warm-start needs a space to sample from, and not a list of configurations: drop "
            "one of them"
        )
    start = find_warm_start(options.space.warm_start, plan.cohort)
    return dataclasses.replace(plan, warm_start=start)


def _read(images: DataOptions, options: SearchOptions) -> Cohort:
    """The labelled images, without findings that have too few patients, unless named by the user.

    Raises:
        InputError: Naming everything that is wrong with them.
    """
    cohort = read_cohort(images, 1 if options.scoring.shares else options.scoring.folds)
    if not asked_by_name(images):
        cohort = without_rare(cohort, options.scoring.folds)
    return cohort


def require_space(asked: SearchOptions) -> None:
    """Refuse a space that is impossible, before images are drawn for it.

    Raises:
        InputError: Naming everything in it that is impossible, and all that has no weights.
    """
    options, checks = with_defaults(asked), Checks()
    if checks.attempt(lambda: load_space(options)) is None:
        checks.attempt(lambda: load_weights(None, options))
    checks.raise_if_any()


def plan_again(options: SearchOptions, space: SearchSpace, cohort: Cohort) -> SearchPlan:
    """The plan of a search that is resumed, with the space and the cohort of its run folder.

    Raises:
        InputError: Naming every problem found, and every image that is missing or has changed.
    """
    checks = Checks()
    same = checks.attempt(lambda: require_unchanged(cohort, "--images"))
    return complete(options, space, same, _decode(options, space, same, checks), checks)


def _decode(
    options: SearchOptions, space: SearchSpace | None, cohort: Cohort | None, checks: Checks
) -> Decoded | None:
    """Decode the images to every square of the space.

    Images that cannot be read are reported beside all other problems, whatever their size.
    """
    if cohort is None:
        return None
    squares = [TrialConfig().preprocessing.square]
    if space is not None:
        sides = itertools.product(space.values("image_size"), space.values("resize"))
        squares = [Square(size, resize) for size, resize in sides]
    return checks.attempt(lambda: decode(cohort, squares, _store(options)))


def _store(options: SearchOptions) -> ArrayStore:
    return ArrayStore(_cache(options).expanduser(), options.advanced.cache_bytes)


def _cache(options: SearchOptions) -> Path:
    """The cache, whatever the folder of a worker; each node of a cluster has a home of its own."""
    cache = options.advanced.cache
    return cache if cache.parts[:1] == ("~",) else cache.resolve()


def complete(
    options: SearchOptions,
    space: SearchSpace | None,
    cohort: Cohort | None,
    decoded: Decoded | None,
    checks: Checks,
) -> SearchPlan:
    """The plan of a search, new or resumed; what could not be read is None, and why is in `checks`.

    Raises:
        InputError: Naming every problem found.
    """
    weights = checks.attempt(lambda: load_weights(space, options))
    _check_scoring(options.scoring, cohort, checks)
    if cohort is not None:
        if space is not None and True in space.values("covariates") and cohort.covariates.empty:
            checks.add(
                "--use-covariates needs covariates of a table, such as age or sex, and none "
                "was read: name them with --covariates, or drop the option"
            )
        check_cohort(cohort, options.scoring.folds, options.advanced.mixed_patients, checks)
    checks.raise_if_any()
    # a value that is missing has left a problem
    assert space is not None
    assert weights is not None
    assert cohort is not None
    assert decoded is not None

    space = space.with_views(cohort.grouping.views)
    # with a GPU, more stages are trained
    largest = space.restricted_to(weights.names, has_gpu=True)
    task = _task(options, cohort, decoded, weights)
    race = race_parts(options, largest, cohort, task.folds)
    task = dataclasses.replace(task, race=race, by_place=by_place(largest.values("pool")))
    plan = SearchPlan(
        options=options,
        cohort=cohort,
        space=space,
        pixels=decoded.pixels,
        task=task,
        num_trials=options.run.trials or len(space.experiments.rows) or _NUM_TRIALS,
        odd_images=_odd_images(decoded, cohort, task.folds),
        passes=missing_passes(largest, task),
    )
    require_few_passes(plan.num_passes, options, largest)
    return plan


def _check_scoring(scoring: ScoringOptions, cohort: Cohort | None, checks: Checks) -> None:
    if scoring.prefer_simple and scoring.team not in (None, 1):
        checks.add(f"--prefer-simple chooses one trial: drop it, or drop --team {scoring.team}")
    if cohort is not None and not cohort.findings.is_one and scoring.f1_average == "binary":
        checks.add(
            f"--f1-average binary is of one finding, and there are {len(cohort.findings)}: drop it "
            "for macro, or take micro or weighted"
        )


def _odd_images(decoded: Decoded, cohort: Cohort, folds: Sequence[Fold]) -> tuple[str, ...]:
    """Notes on images that stand out, look alike, or tell the label by their files."""
    surveys = decoded.surveys[cohort.exam_images.max(axis=1)]
    return (
        *decoded.odd_images,
        *describe_look_alikes(cohort),
        *describe_sources(surveys, cohort.labels, folds, cohort.findings),
    )


def _task(options: SearchOptions, cohort: Cohort, decoded: Decoded, weights: Weights) -> Task:
    """What all trials of a search share."""
    scoring, seed = options.scoring, options.advanced.seed
    # test rows must not move the mean and standard deviation that the networks see
    rows = np.flatnonzero(cohort.manifest["split"] != "test")
    square = max(decoded.pixels)
    counts = load_grey_counts(
        lambda: (decoded.pixels[square][row] for row in rows),
        pixels_name(cohort.manifest["sha256"].iloc[rows].tolist(), square, decoded.limits),
        _store(options),
    )
    statistics = pixel_statistics(counts, decoded.limits, UsualLook.of(decoded.looks.of(rows)))
    return Task(
        data=TrainingData.of(cohort, statistics),
        folds=make_folds(cohort, scoring.folds, seed, scoring.repeats),
        weights=weights,
        cache=_cache(options),
        cache_bytes=options.advanced.cache_bytes,
        scoring=Scoring(
            ThresholdPolicy.parse(scoring.threshold),
            scoring.f1_average or ("binary" if cohort.findings.is_one else "macro"),
            scoring.objective,
            cohort.findings.exclusive,
        ),
        seed=seed,
        repeatable=options.advanced.max_concurrent == 1,
    )
