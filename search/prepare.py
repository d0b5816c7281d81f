"""From options to work: read and check everything that a search stands on, before any training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.settings import SearchOptions
from search.space.files import read_space
from search.space.grid import Grid, require_rows
from search.space.presets import describe_preset, preset_grid
from search.space.space import Space
from trainable.assembly import TrainingData
from trainable.backbones.table import find_backbone
from trainable.backbones.weights import IMAGENET, NONE, Weights, find_weights
from trainable.cohort.cohort import Cohort, check_cohort
from trainable.cohort.readers import DataOptions, hash_files, read_cohort
from trainable.cohort.splits import SIDES, make_folds, rows_of, split_by_shares
from trainable.config import TrialConfig
from trainable.errors import InputError, Problems, listing
from trainable.evaluation.metrics import all_positive_f1
from trainable.evaluation.thresholds import ThresholdPolicy
from trainable.images.pixels import load_pixels, pixel_statistics
from trainable.store import ArrayStore
from trainable.training.loop import few_steps_note
from trainable.trial import Task


@dataclass(frozen=True)
class SearchPlan:
    """A search that can start: nothing of its input is left unchecked.

    Attributes:
        settings: as they were given.
        cohort: of labelled images.
        asked: the space, wherever it is to be searched.
        pixels: of the cohort, uint8 (num_images, size, size), by each size that is searched.
        task: what all trials share.
    """

    settings: SearchOptions
    cohort: Cohort
    asked: Space | Grid
    pixels: Mapping[int, NDArray[np.uint8]]
    task: Task

    def space(self, *, has_gpu: bool) -> Space | Grid:
        """What of the space can be searched with these weights, with a GPU or without."""
        return self.asked.restricted_to(self.task.weights.backbones, has_gpu=has_gpu)

    def describe(self) -> Iterator[str]:
        """What the user should know before the first trial, a line each."""
        settings, labels = self.settings, self.task.data.labels
        if settings.preset is not None and isinstance(self.asked, Grid):
            yield from describe_preset(settings, self.asked.left_out)
        patients, unit = self.cohort.manifest["patient"].nunique(), self.cohort.grouping.unit
        yield (
            f"{len(labels)} {unit}s of {patients} patients, {int(labels.sum())} positive; "
            f"calling every {unit} positive scores F1 "
            f"{all_positive_f1(labels, settings.f1_average):.3f}"
        )
        yield from (f"note: {note}" for note in self.cohort.notes)
        folds = f"scored out of fold on {settings.folds} folds"
        if self.cohort.is_split:
            folds = f"on one split: {_describe_split(self.cohort)}"
        elif settings.repeats > 1:
            folds += f", drawn {settings.repeats} times"
        epochs = self.asked.values("epochs")
        least, most = min(epochs), max(epochs)
        yield (
            f"{settings.trials} trials, each {folds}; {listing(sorted(self.pixels))} px, "
            f"{least if least == most else f'{least} to {most}'} epochs, batches "
            f"of {self.asked.describe('batch_size')}"
        )
        kind = self.task.weights.kind
        start = {"imagenet": "ImageNet weights", "none": "random weights"}.get(kind, kind)
        yield f"backbones from {start}: {', '.join(self.task.weights.backbones)}"
        few = min(len(fold.train) for fold in self.task.folds)
        note = few_steps_note(few, max(self.asked.values("batch_size")), least)
        if note:
            yield f"note: {note}"


def prepare(
    settings: SearchOptions, images: DataOptions | Cohort, space: Space | Grid | None = None
) -> SearchPlan:
    """Check the options, the images and the weights, and decode the images.

    Args:
        settings: of the search.
        images: where to read the cohort, or the cohort of a search that is resumed.
        space: of a search that is resumed.

    Raises:
        InputError: naming every problem found.
    """
    problems = Problems()
    # each node of a cluster has a home of its own
    cache = settings.cache if settings.cache.parts[:1] == ("~",) else settings.cache.resolve()
    found = problems.attempt(lambda: _space_and_weights(settings, space))
    cohort = problems.attempt(lambda: _cohort(settings, images))
    if cohort is None:
        raise InputError(*problems.found)
    check_cohort(cohort, settings.folds, settings.mixed_patients, problems)
    paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
    store = ArrayStore(cache.expanduser())
    # of whatever size: images that cannot be read are told beside all else that is wrong
    sizes = found[0].values("image_size") if found else (TrialConfig().image_size,)
    pixels = problems.attempt(lambda: {s: load_pixels(paths, hashes, s, store) for s in sizes})
    if problems.found or found is None or not pixels:
        raise InputError(*problems.found)
    space, weights = found[0].with_views(cohort.grouping.views), found[1]
    if isinstance(space, Grid) and "trials" not in settings.model_fields_set:
        settings = settings.model_copy(update={"trials": len(space.rows)})
    shown = pixels[max(pixels)]
    if len(rows_of(cohort, "test")):
        shown = shown[cohort.manifest["split"] != "test"]
    folds = make_folds(cohort, settings.folds, settings.seed, settings.repeats)
    task = Task(
        data=TrainingData.of(cohort, pixel_statistics(shown)),
        folds=folds,
        weights=weights,
        cache=cache,
        cache_bytes=settings.cache_bytes,
        f1_average=settings.f1_average,
        threshold=ThresholdPolicy.parse(settings.threshold),
        seed=settings.seed,
    )
    return SearchPlan(settings, cohort, space, pixels, task)


def _space_and_weights(
    settings: SearchOptions, space: Space | Grid | None
) -> tuple[Space | Grid, Weights]:
    """What is searched, and the weights for it; `space` is that of a search that is resumed."""
    kind = settings.weights
    if space is None and settings.preset is not None:
        space = _with_weights(preset_grid(settings), settings)
    elif space is None:
        space = read_space(settings)
    if isinstance(space, Grid):
        require_rows(space, settings)
    weights = find_weights(kind, space.backbones, space.whole_bodies)
    space.restricted_to(weights.backbones, has_gpu=False)
    return space, weights


def _with_weights(grid: Grid, settings: SearchOptions) -> Grid:
    """The rows that a folder or file of weights can serve; the others are left out, and why."""
    kind = settings.weights
    if kind in (IMAGENET, NONE):
        return grid
    found = find_weights(kind, settings.backbones)
    grid = grid.only(lambda row: row.backbone in found.backbones, f"{kind} lacks its backbone")
    for name in grid.whole_bodies:
        try:
            find_weights(kind, [name], [name])
        except InputError as error:
            grid = grid.only(partial(_is_without, name), error.problems[0])
    return grid


def _is_without(name: str, config: TrialConfig) -> bool:
    """Whether a configuration does without the classifier of this backbone."""
    return (config.backbone, config.cut) != (name, find_backbone(name).classifier)


def _cohort(settings: SearchOptions, images: DataOptions | Cohort) -> Cohort:
    """The images, read or found again as they were, and split if that was asked for."""
    if isinstance(images, Cohort):
        return _unchanged(images)
    cohort = read_cohort(images)
    if settings.shares is None:
        return cohort
    given = settings.model_fields_set
    folds = [
        f"--{name} {getattr(settings, name)}" for name in ("folds", "repeats") if name in given
    ]
    if folds:
        raise InputError(
            f"--shares is one split, without folds: leave it out, or {' and '.join(folds)}"
        )
    if cohort.is_split:
        raise InputError(
            "--shares splits the images anew: give --split merge with it, or leave it out"
        )
    return split_by_shares(cohort, settings.shares, settings.seed)


def _describe_split(cohort: Cohort) -> str:
    """How many images each side has."""
    sides = cohort.manifest.groupby("split", sort=False)["label"].agg(["size", "sum"])
    return ", ".join(
        f"{side} {sides['size'][side]} images ({sides['sum'][side]} positive)"
        for side in SIDES
        if side in sides.index
    )


def _unchanged(cohort: Cohort) -> Cohort:
    """The cohort of a resumed search, if its files are still what they were."""
    paths = cohort.manifest["path"]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise InputError(f"images of this search are gone: {listing(missing)}")
    same = cohort.manifest["sha256"] == hash_files(paths)
    if not same.all():
        raise InputError(
            f"images have changed since this search began: {listing(paths[~same])}; put them "
            "back, or start a new search"
        )
    return cohort
