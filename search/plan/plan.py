"""From options to a plan: read and check the images, weights and space before any training."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.options.options import DEMO, SearchOptions
from search.plan.cohort import arrange, decode, split_as_asked, squares
from search.plan.passes import missing_passes, require_few_passes
from search.plan.warm_start import best_configurations
from search.plan.weights import asked_space, with_weights
from search.space.presets import read_preset
from search.space.protocol import SearchSpace
from trainable.backbones.encoders import NONE
from trainable.cohort.cohort import Cohort, check_cohort
from trainable.cohort.splits import make_folds
from trainable.config import TrialConfig
from trainable.errors import InputError, Problems
from trainable.evaluation.scoring import ThresholdPolicy
from trainable.features.passes import FrozenPass
from trainable.images.decoding import Resize
from trainable.images.pixels import (
    pixel_statistics,
)
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort, require_unchanged
from trainable.trial.assembly import TrainingData
from trainable.trial.cross_validation import Task

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
        lambda cohort: split_as_asked(cohort, options),
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
    found = problems.attempt(lambda: with_weights(read_space, options))
    read = problems.attempt(read_cohort)
    if read is None:
        raise InputError(*problems.found)
    scoring, seed = options.scoring, options.advanced.seed
    if scoring.prefer_simple and scoring.team not in (None, 1):
        problems.add(f"--prefer-simple chooses one trial: drop it, or drop --team {scoring.team}")
    # images that cannot be read are reported beside all other problems, whatever their size
    sizes = squares(found[0]) if found else [TrialConfig().square]
    decoded = problems.attempt(lambda: decode(read, sizes, cache, cache_bytes))
    arranged = problems.attempt(lambda: arrange(read, decoded, options, split))
    if arranged is None:
        raise InputError(*problems.found)
    cohort, look_alikes = arranged
    if found is not None and True in found[0].values("covariates") and cohort.covariates.empty:
        problems.add(
            "--use-covariates needs further columns of a table, such as age or sex, and none was "
            "read: name them with --covariates, or drop the option"
        )
    check_cohort(cohort, scoring.folds, options.advanced.mixed_patients, problems)
    if problems.found or found is None or decoded is None:
        raise InputError(*problems.found)
    pixels, limits, odd_images = decoded.pixels, decoded.limits, decoded.odd_images
    space, weights = found[0].with_views(cohort.grouping.views), found[1]
    sharpest = pixels[max(pixels)]
    shown = (sharpest[row] for row in np.flatnonzero(cohort.manifest["split"] != "test"))
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
