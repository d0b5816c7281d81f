"""Trials of a run, scored out of fold again on some of the patients or by other folds.

Only heads are fitted again, to stored features. What the store lacks is computed by the same code,
and kept there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.results.search_result import SearchResult
from search.run.trial_log import config_of
from trainable.backbones.layout import by_place
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.device import one_thread, own_device
from trainable.errors import DivergedError, InputError, num_of
from trainable.features.passes import FrozenPass, pass_of
from trainable.reading.moved_images import find_images, require_unchanged
from trainable.run.places import resampled_file
from trainable.run.resampled import ResampledChoices
from trainable.run.winner import weights_as_then
from trainable.store.arrays import ArrayStore
from trainable.training.heads import HEADS
from trainable.trial.cross_validation import assemble, score_folds
from trainable.trial.stored import num_to_run
from trainable.trial.task import Materials, TrainingData

_IMAGES = "--labelled-images"


@dataclass(frozen=True)
class Part:
    """Examinations that take part, and how they are scored out of fold.

    Attributes:
        exams: int64 (num_part,), their numbers in the cohort.
        folds: Folds of them, by the same numbers.
    """

    exams: NDArray[np.int64]
    folds: tuple[Fold, ...]

    @classmethod
    def of(cls, folds: Sequence[Fold]) -> "Part":
        """All examinations that some of these folds train on or score."""
        return cls(
            np.unique(np.concatenate([[*one.train, *one.valid] for one in folds])), tuple(folds)
        )


@dataclass(frozen=True)
class StoredTrials:
    """Trials of a run, with all that fitting their heads again takes.

    Attributes:
        rows: Their rows of `trials.csv`.
        cohort: The labelled images.
        materials: The same as trials take them in.
        seed: Seed of the search.
    """

    rows: Sequence[Mapping[Any, Any]]
    cohort: Cohort
    materials: Materials
    seed: int

    @classmethod
    def of(
        cls,
        result: SearchResult,
        rows: Sequence[Mapping[Any, Any]],
        labelled_images: Path | None = None,
    ) -> "StoredTrials":
        """Find what it takes.

        Args:
            result: The run.
            rows: Rows of `trials.csv` of trials without trained stages.
            labelled_images: Folder of the labelled images, if they have moved.

        Raises:
            InputError: If weights are missing or have changed; or if features are no longer stored,
                and the images that they are of are missing or have changed.
        """
        cohort, options = result.cohort, result.options.advanced
        if labelled_images is not None:
            cohort = find_images(cohort, labelled_images.expanduser(), _IMAGES)
        configs = [config_of(row) for row in rows]
        encoders = dict.fromkeys(str(config.backbone) for config in configs)
        kind = result.winner.weights.kind
        materials = Materials(
            TrainingData.of(cohort, result.winner.statistics),
            weights_as_then(kind, _fingerprints(result), [*encoders]),
            ArrayStore(options.cache.expanduser(), options.cache_bytes),
            own_device(result.options.compute.own_device),
            frozenset(by_place([config.pool for config in configs])),
        )
        found = cls(rows, cohort, materials, result.winner.seed)
        if found.missing:
            require_unchanged(cohort, _IMAGES)
        return found

    @cached_property
    def configs(self) -> list[TrialConfig]:
        """Configuration of each trial."""
        return [config_of(row) for row in self.rows]

    @cached_property
    def missing(self) -> dict[FrozenPass, int]:
        """Passes whose features are no longer stored, and how many images each has to run."""
        passes = dict.fromkeys(filter(None, map(pass_of, self.configs)))
        counts = {one: num_to_run(one, self.materials) for one in passes}
        return {one: count for one, count in counts.items() if count}

    @property
    def missing_line(self) -> Iterator[str]:
        """What has to be computed first, in a line; none if all is stored."""
        if self.missing:
            count, most = len(self.missing), max(self.missing.values())
            yield (
                f"first, {num_of(most, 'image')} go through {num_of(count, 'frozen network')}, as "
                "their features are no longer stored"
            )

    def scores(
        self, parts: Sequence[Part], done: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Out-of-fold scores (num_parts, num_trials, num_exams, num_findings).

        NaN where a fold did not score an examination, and for a trial that diverged in a part.

        Args:
            parts: Examinations and folds; the features of a trial are read once for all parts.
            done: Called with the number of trials so far.
        """
        data = self.materials.data
        found = np.full((len(parts), len(self.rows), *data.labels.shape), np.nan, np.float32)
        for number, config in enumerate(self.configs):
            whole = assemble(config, self.materials)
            for part, scores in zip(parts, found[:, number], strict=True):
                own = whole.learned_from(part.exams, data.findings)
                try:
                    with one_thread():  # a head on stored features is small
                        *_, last = score_folds(own, part.folds, self.seed)
                except DivergedError:
                    continue
                scores[:] = last.scores
            done(number + 1)
        return found


def is_stored(config: TrialConfig) -> bool:
    """Whether stored features are all that a trial is fitted to: none of its stages is trained."""
    return not config.unfreeze


def is_convex(config: TrialConfig) -> bool:
    """Whether it is also fitted in a moment: the head is a regression, without gradient steps."""
    return is_stored(config) and not HEADS[config.head].is_seeded


def stored_team(result: SearchResult, option: str) -> tuple[list[int], list[list[int]]]:
    """The members without trained stages, and for each finding the places of its team among them.

    Raises:
        InputError: If a finding has none.
    """
    members = [one.trial for one in result.winner.members if is_stored(one.config)]
    teams = [[members.index(one) for one in team if one in members] for team in result.winner.teams]
    if not all(teams):
        raise InputError(
            f"{option} fits heads again, and never networks; the winner's trials have trained "
            "stages: search with --unfreeze 0"
        )
    return members, teams


def require_folds(result: SearchResult, option: str) -> None:
    """Refuse a run whose trials were scored on one split.

    Raises:
        InputError: If there is no cross-validation.
    """
    if result.cohort.has_one_fold:
        raise InputError(
            f"{option} needs a cross-validation, and the trials of {result.run.name} were scored "
            "on one split: search with --folds, and --split merge if the data have a split"
        )


def _fingerprints(result: SearchResult) -> dict[str, str]:
    """Fingerprint of the weights of each encoder that the run kept."""
    found = dict(result.winner.weights.fingerprints)
    if resampled_file(result.run).is_file():
        kept = ResampledChoices.read(result.run)
        pairs = zip(kept.trials, kept.weights.tolist(), strict=True)
        found |= {str(config.backbone): mark for config, mark in pairs}
    return found
