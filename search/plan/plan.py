"""A search that can start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search.options.options import SearchOptions
from search.run.warm_start import WarmStart
from search.space.first import first_configs
from search.space.protocol import SearchSpace
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.features.passes import FrozenPass
from trainable.images.preprocessing import Square
from trainable.trial.task import Task

_BYTES_PER_NUMBER = 4
_BYTES_PER_FEATURE = 20
"""Of a training row: float32, float64, and float64 again while the deviation is computed."""


@dataclass(frozen=True)
class SearchPlan:
    """A search that can start: all its input is checked, and nothing of it changes any more.

    Attributes:
        options: Options of the command line, completed by those of the preset or the demo.
        cohort: Labelled images.
        space: Search space, the same on every machine.
        pixels: uint8 (num_images, size, size), pixels of the cohort by their square.
        task: What all trials share.
        num_trials: Number of trials to finish.
        odd_images: Notes on images that stand out in the cohort, a sentence each.
        warm_start: What the search takes over from an earlier one.
        passes: Forward passes through frozen networks that the space can need, and how many images
            each has to run: those whose features are not stored.
    """

    options: SearchOptions
    cohort: Cohort
    space: SearchSpace
    pixels: Mapping[Square, NDArray[np.uint8]]
    task: Task
    num_trials: int
    odd_images: tuple[str, ...] = ()
    warm_start: WarmStart | None = None
    passes: Mapping[FrozenPass, int] = field(default_factory=dict)

    @property
    def num_repeats(self) -> int:
        """Times that folds are drawn; 1 where they are given."""
        is_given = self.cohort.has_one_fold or self.cohort.left_out_by is not None
        return 1 if is_given else self.options.scoring.repeats

    @property
    def num_passes(self) -> int:
        """Most passes that the search can need: no trial needs two."""
        return min(len(self.passes), self.num_trials)

    @property
    def trial_bytes(self) -> int:
        """Most bytes that a logistic head needs for the features of its training rows."""
        if "logistic" not in self.space.values("head"):
            return 0
        pools = self.space.values("pool")
        widths = (
            backbone.pooled_width(backbone.cuts[-1], backbone.layout.pooled(pool))
            for backbone in (encoder.network for encoder in self.task.weights.encoders)
            for pool in pools
            if pool in backbone.layout.pools
        )
        views = self.cohort.grouping.views
        rows = max(len(fold.train) for fold in self.task.folds)
        # where places are told apart, a trial copies its columns out of a wider table
        copied = _BYTES_PER_NUMBER if self.task.by_place else 0
        return rows * views * max(widths) * (_BYTES_PER_FEATURE + copied)

    @property
    def by_place_bytes(self) -> int:
        """Most bytes that passes of this search add to the cache for statistics by place."""
        extra = [*self.task.by_place]
        if not extra:
            return 0
        widths = sorted(
            one.encoder.network.pooled_width(one.until, extra) for one in self.passes if one.pooled
        )
        data, copies = self.task.data, int(max(self.space.values("positive_copies")))
        rows = len(data.paths) + (copies - 1) * len(data.rows(copies).positives)
        return rows * sum(widths[-self.num_trials :]) * _BYTES_PER_NUMBER

    def space_here(self, *, has_gpu: bool) -> SearchSpace:
        """The part of the space that these weights allow, with a GPU or without."""
        return self.space.restricted_to(self.task.weights.names, has_gpu=has_gpu)

    @property
    def first_configs(self) -> list[TrialConfig]:
        """What is tried before any score was seen."""
        return first_configs(self.space_here(has_gpu=False))
