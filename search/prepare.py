"""From options to work: read and check everything that a search stands on, before any training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.settings import SearchSettings, Unfreeze
from search.space import UNFREEZE, Space
from trainable.cohort import Cohort, check_cohort
from trainable.cohort_files import CohortSource, hash_files, read_cohort
from trainable.cross_validation import Task
from trainable.folds import make_folds
from trainable.metrics import all_positive_f1
from trainable.normalization import NORMALIZATIONS
from trainable.pixels import load_pixels, pixel_statistics
from trainable.problems import InputProblemsError, Problems, listing
from trainable.store import ArrayStore
from trainable.thresholds import ThresholdPolicy
from trainable.training import few_steps_note
from trainable.weights import find_weights

_CPU_UNFREEZE: tuple[Unfreeze, ...] = ("none", "one")


@dataclass(frozen=True)
class Prepared:
    """A search that can start: nothing of its input is left unchecked."""

    settings: SearchSettings
    cohort: Cohort
    pixels: NDArray[np.uint8]
    task: Task

    def space(self, *, has_gpu: bool) -> Space:
        """The search space; training two stages and more is for GPUs unless it was asked for."""
        settings = self.settings
        return Space(
            backbones=self.task.weights.backbones,
            unfreeze=settings.unfreeze or (UNFREEZE if has_gpu else _CPU_UNFREEZE),
            normalizations=settings.normalizations or NORMALIZATIONS,
            image_size=settings.image_size,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            views=self.cohort.grouping.views,
        )

    def describe(self) -> Iterator[str]:
        """What the user should know before the first trial, a line each."""
        settings, labels = self.settings, self.task.labels
        patients, unit = self.cohort.manifest["patient"].nunique(), self.cohort.grouping.unit
        yield (
            f"{len(labels)} {unit}s of {patients} patients, {int(labels.sum())} positive; "
            f"calling every {unit} positive scores F1 "
            f"{all_positive_f1(labels, settings.f1_average):.3f}"
        )
        yield from (f"note: {note}" for note in self.cohort.notes)
        folds = "the given split"
        if not self.cohort.is_split:
            folds = f"{settings.folds} folds"
            folds += f", drawn {settings.repeats} times" if settings.repeats > 1 else ""
        yield (
            f"{settings.trials} trials, each scored out of fold on {folds}; {settings.image_size} "
            f"px, {settings.epochs} epochs, batches of {settings.batch_size}"
        )
        kind = self.task.weights.kind
        start = {"imagenet": "ImageNet weights", "none": "random weights"}.get(kind, kind)
        yield f"backbones from {start}: {', '.join(self.task.weights.backbones)}"
        few = min(len(fold.train) for fold in self.task.folds)
        note = few_steps_note(few, settings.batch_size, settings.epochs)
        if note:
            yield f"note: {note}"


def prepare(settings: SearchSettings, images: CohortSource | Cohort) -> Prepared:
    """Check the options, the images and the weights, and decode the images.

    Args:
        settings: of the search.
        images: where to read the cohort, or the cohort of a search that is resumed.

    Raises:
        InputProblemsError: naming every problem found.
    """
    problems = Problems()
    # each node of a cluster has a home of its own
    cache = settings.cache if settings.cache.parts[:1] == ("~",) else settings.cache.resolve()
    weights = problems.attempt(lambda: find_weights(settings.weights, settings.backbones))
    unknown = [choice for choice in settings.unfreeze if choice not in UNFREEZE]
    problems.found.extend(f"--unfreeze must be of {listing(UNFREEZE)}; got {c!r}" for c in unknown)
    problems.found.extend(
        f"--normalizations must be of {listing(NORMALIZATIONS)}; got {name!r}"
        for name in settings.normalizations
        if name not in NORMALIZATIONS
    )
    if isinstance(images, Cohort):
        cohort = problems.attempt(lambda: _unchanged(images))
    else:
        cohort = problems.attempt(lambda: read_cohort(images))
    if cohort is None:
        raise InputProblemsError(problems.found)
    check_cohort(cohort, settings.folds, settings.mixed_patients, problems)
    paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
    store = ArrayStore(cache.expanduser())
    pixels = problems.attempt(lambda: load_pixels(paths, hashes, settings.image_size, store))
    if problems.found or weights is None or pixels is None:
        raise InputProblemsError(problems.found)
    folds = make_folds(cohort, settings.folds, settings.seed, settings.repeats)
    task = Task(
        paths=paths,
        hashes=hashes,
        exam_images=cohort.exam_images,
        labels=cohort.labels,
        folds=folds,
        statistics=pixel_statistics(pixels),
        weights=weights,
        cache=cache,
        cache_bytes=settings.cache_bytes,
        f1_average=settings.f1_average,
        threshold=ThresholdPolicy.parse(settings.threshold),
        seed=settings.seed,
    )
    return Prepared(settings, cohort, pixels, task)


def _unchanged(cohort: Cohort) -> Cohort:
    """The cohort of a resumed search, if its files are still what they were."""
    paths = cohort.manifest["path"]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise InputProblemsError([f"images of this search are gone: {listing(missing)}"])
    same = cohort.manifest["sha256"] == hash_files(paths)
    if not same.all():
        raise InputProblemsError(
            [
                f"images have changed since this search began: {listing(paths[~same])}; put them "
                "back, or start a new search"
            ]
        )
    return cohort
