"""From options to a plan: read and check the images, weights and space before any training."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.cost import Cost, missing_passes, require_few_passes
from search.earlier_run import best_configurations
from search.options import DEMO, SearchOptions
from search.space.files import read_space
from search.space.presets import preset_grid, read_preset
from search.space.protocol import SearchSpace
from trainable.assembly import TrainingData
from trainable.backbones.encoders import NONE, short_name
from trainable.backbones.find import find_backbone
from trainable.backbones.weights import Weights, find_weights
from trainable.cohort.cohort import Cohort, check_cohort
from trainable.cohort.look_alikes import (
    describe_look_alikes,
    find_look_alikes,
    keep_together,
    with_looks,
)
from trainable.cohort.options import DataOptions
from trainable.cohort.readers import read_cohort, require_unchanged
from trainable.cohort.splits import make_folds, rows_of, split_by_shares
from trainable.config import TrialConfig
from trainable.errors import InputError, Problems, flag
from trainable.evaluation.thresholds import ThresholdPolicy
from trainable.features.passes import FrozenPass
from trainable.images.decoding import Resize
from trainable.images.intensity import Limits
from trainable.images.looks import looks_of_files
from trainable.images.outliers import describe_outliers
from trainable.images.pixels import (
    cohort_limits,
    load_pixels,
    load_surveys,
    pixel_statistics,
)
from trainable.store.arrays import ArrayStore
from trainable.trial import Task

_NUM_TRIALS = 50


@dataclass(frozen=True)
class SearchPlan:
    """A search that can start: all its input is checked, and nothing of it changes any more.

    Attributes:
        options: Options of the command line, completed by those of the preset or the demo.
        cohort: Labelled images.
        space: Search space, the same on every machine.
        pixels: uint8 (num_images, size, size), pixels of the cohort by `TrialConfig.square`.
        task: What all trials share.
        num_trials: Number of trials to finish.
        odd_images: Notes on images that stand out in the cohort, a sentence each.
        warm_start: Configurations of an earlier search to try first, the best one first.
        passes: Forward passes through frozen networks that the space can need, and that are not
            stored.
        cost: What they can cost; None where nobody was to be told.
    """

    options: SearchOptions
    cohort: Cohort
    space: SearchSpace
    pixels: Mapping[tuple[int, Resize], NDArray[np.uint8]]
    task: Task
    num_trials: int
    odd_images: tuple[str, ...] = ()
    warm_start: tuple[TrialConfig, ...] = ()
    passes: frozenset[FrozenPass] = frozenset()
    cost: Cost | None = None

    @property
    def num_passes(self) -> int:
        """Most passes that the search can need: no trial needs two."""
        return min(len(self.passes), self.num_trials)

    def space_here(self, *, has_gpu: bool) -> SearchSpace:
        """The part of the space that these weights allow, with a GPU or without."""
        return self.space.restricted_to(self.task.weights.backbones, has_gpu=has_gpu)


def resolve(asked: SearchOptions) -> SearchOptions:
    """The options with those of the preset and the demo in place of the defaults.

    The demo downloads no weights unless the user asks for them. A preset runs all its rows, and the
    user's own split or folds take the place of its shares.
    """
    defaults: dict[str, Any] = {}
    if asked.space.preset is not None:
        defaults = {"time_budget": None, **read_preset(asked.space.preset).options}
        if "folds" in asked.given or asked.data.split == "keep":
            defaults["shares"] = None
    if asked.data.data == DEMO:
        defaults["weights"] = NONE
    return asked.replaced({**defaults, **asked.given})


def prepare(asked: SearchOptions, images: DataOptions | None = None) -> SearchPlan:
    """Check the options, the images and the weights of a new search, and decode the images.

    Args:
        asked: Options of the command line.
        images: Place of the images on this machine, if the options name another one.

    Raises:
        InputError: Naming every problem found.
    """
    options = resolve(asked)
    plan = _plan(
        options,
        lambda: asked_space(options),
        lambda: read_cohort(images or options.data),
        lambda cohort: _split(cohort, options),
    )
    if options.space.warm_start is None:
        return plan
    if plan.space.experiments.rows:
        raise InputError(
            "--warm-start needs a space to sample from, and not a list of configurations: drop "
            "one of them"
        )
    best = best_configurations(options.space.warm_start, plan.cohort)
    return dataclasses.replace(plan, warm_start=best)


def prepare_again(options: SearchOptions, cohort: Cohort, space: SearchSpace) -> SearchPlan:
    """The plan of a search that is resumed, with the cohort and the space of its run folder.

    Raises:
        InputError: Naming every problem found, and every image that is missing or has changed.
    """
    return _plan(
        options, lambda: space, lambda: require_unchanged(cohort, "--images"), lambda same: same
    )


def _plan(
    options: SearchOptions,
    read_space: Callable[[], SearchSpace],
    read_cohort: Callable[[], Cohort],
    split: Callable[[Cohort], Cohort],
) -> SearchPlan:
    problems = Problems()
    cache = options.advanced.cache
    # each node of a cluster has a home of its own
    cache = cache if cache.parts[:1] == ("~",) else cache.resolve()
    cache_bytes = options.advanced.cache_bytes
    found = problems.attempt(lambda: _with_weights(read_space, options))
    read = problems.attempt(read_cohort)
    if read is None:
        raise InputError(*problems.found)
    scoring, seed = options.scoring, options.advanced.seed
    if scoring.prefer_simple and scoring.team not in (None, 1):
        problems.add(f"--prefer-simple chooses one trial: drop it, or drop --team {scoring.team}")
    # images that cannot be read are reported beside all other problems, whatever their size
    squares = _squares(found[0]) if found else [TrialConfig().square]
    decoded = problems.attempt(lambda: _decode(read, squares, cache, cache_bytes))
    arranged = problems.attempt(lambda: _arrange(read, decoded, options, split))
    if arranged is None:
        raise InputError(*problems.found)
    cohort, look_alikes = arranged
    check_cohort(cohort, scoring.folds, options.advanced.mixed_patients, problems)
    if problems.found or found is None or decoded is None:
        raise InputError(*problems.found)
    pixels, limits, odd_images = decoded.pixels, decoded.limits, decoded.odd_images
    space, weights = found[0].with_views(cohort.grouping.views), found[1]
    shown = pixels[max(pixels)]
    if len(rows_of(cohort, "test")):
        shown = shown[cohort.manifest["split"] != "test"]
    task = Task(
        data=TrainingData.of(cohort, pixel_statistics(shown, limits)),
        folds=make_folds(cohort, scoring.folds, seed, scoring.repeats),
        weights=weights,
        cache=cache,
        cache_bytes=cache_bytes,
        f1_average=scoring.f1_average,
        threshold=ThresholdPolicy.parse(scoring.threshold),
        seed=seed,
        objective=scoring.objective,
    )
    num_trials = options.run.trials or len(space.experiments.rows) or _NUM_TRIALS
    # with a GPU, more stages are trained
    largest = space.restricted_to(weights.backbones, has_gpu=True)
    notes = (*odd_images, *look_alikes)
    plan = SearchPlan(
        options, cohort, space, pixels, task, num_trials, notes,
        passes=missing_passes(largest, task),
    )  # fmt: skip
    require_few_passes(plan.num_passes, options, largest)
    return plan


def _squares(space: SearchSpace) -> list[tuple[int, Resize]]:
    """What the images are decoded to, once for all trials."""
    return [*itertools.product(space.values("image_size"), space.values("resize"))]


class _Decoded(NamedTuple):
    """All images by their square, the values of black and white, looks, and notes on odd images."""

    pixels: Mapping[tuple[int, Resize], NDArray[np.uint8]]
    limits: Limits | None
    looks: NDArray[np.uint8]
    odd_images: tuple[str, ...]


def _decode(
    cohort: Cohort, squares: Sequence[tuple[int, Resize]], cache: Path, cache_bytes: int
) -> _Decoded:
    paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
    store = ArrayStore(cache.expanduser(), cache_bytes)
    surveys = load_surveys(paths, hashes, store)
    limits = cohort_limits(surveys)
    pixels = {
        (size, resize): load_pixels(paths, hashes, size, store, limits, resize)
        for size, resize in squares
    }
    odd = describe_outliers(tuple(cohort.manifest["image"]), surveys, pixels[max(pixels)])
    looks = looks_of_files(paths, hashes, pixels, store, limits)
    return _Decoded(pixels, limits, looks, tuple(odd))


def _arrange(
    cohort: Cohort,
    decoded: _Decoded | None,
    options: SearchOptions,
    split: Callable[[Cohort], Cohort],
) -> tuple[Cohort, tuple[str, ...]]:
    """The cohort on its sides, and notes on images that look the same."""
    if decoded is None:
        return split(cohort), ()
    cohort = with_looks(cohort, decoded.looks)
    pairs = find_look_alikes(cohort)
    if options.advanced.group_duplicates:
        cohort = keep_together(cohort, pairs)
    cohort = split(cohort)
    return cohort, tuple(describe_look_alikes(cohort, pairs))


def asked_space(options: SearchOptions) -> SearchSpace:
    """The space that the options ask for.

    Raises:
        InputError: Naming everything in it that is impossible.
    """
    if options.space.preset is None:
        return read_space(options)
    return preset_grid(options.space.preset, options)


def _with_weights(
    read_space: Callable[[], SearchSpace], options: SearchOptions
) -> tuple[SearchSpace, Weights]:
    """The space, and the weights of all that it names.

    Raises:
        InputError: Naming every problem of either.
    """
    problems = Problems()
    space = problems.attempt(read_space)
    if space is None:
        named = [name for name in options.space.backbones if _is_known(name)]
        problems.attempt(lambda: find_weights(options.space.weights, named) if named else None)
        raise InputError(*problems.found)
    space.experiments.check(options.run.trials)
    weights = find_weights(options.space.weights, space.backbones, space.whole_bodies)
    restricted = space.restricted_to(weights.backbones, has_gpu=False)
    _require_sizes(weights.backbones, sorted(set(restricted.values("image_size"))))
    return space, weights


def _is_known(encoder: str) -> bool:
    try:
        find_backbone(encoder)
    except ValueError:
        return False
    return True


def _require_sizes(encoders: Sequence[str], sizes: Sequence[int]) -> None:
    """Refuse images that a network does not take in.

    Raises:
        InputError: Naming every encoder and size.
    """
    problems = Problems()
    for encoder, size in itertools.product(encoders, sizes):
        backbone = find_backbone(encoder)
        if not backbone.takes_in(size):
            problems.add(
                f"{short_name(encoder)} does not take in images of {size} px; use --image-size "
                f"{backbone.size}, the size of its own images, or leave it out of --backbones"
            )
    problems.raise_if_any()


def _split(cohort: Cohort, options: SearchOptions) -> Cohort:
    """The images, split into shares if that was asked for."""
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
