"""What all trials of a search share: images, labels, folds, weights, and how they are judged."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from trainable.backbones.layout import Statistic
from trainable.backbones.weights import Weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.scored import is_scored
from trainable.cohort.splits import Fold, TrialRows, rows_of, trial_rows
from trainable.evaluation.metrics import Evaluation
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import judge
from trainable.images.loading import Images, load_images
from trainable.images.preprocessing import PixelStatistics, Square
from trainable.store.arrays import ArrayStore


@dataclass(frozen=True)
class TrainingData:
    """Labelled images as a training run sees them.

    Attributes:
        paths: The image files, in the order of the cohort.
        hashes: SHA-256 of each file.
        exam_images: int64 (num_exams, views), numbers of images, -1 where a view is missing. With
            one view, each image is an examination.
        labels: int64 (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        findings: What is asked of each examination.
        statistics: Mean and standard deviation of the cohort's pixels.
        covariates: Covariates of each examination, as `Cohort.covariates` has them.
        held_out: Numbers of the examinations that are kept for a test.
        whole: Data that these are a part of, and the numbers of its images; None for a cohort.
    """

    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    labels: NDArray[np.int64]
    findings: Findings
    statistics: PixelStatistics
    covariates: pd.DataFrame = field(default_factory=pd.DataFrame)
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    whole: "tuple[TrainingData, NDArray[np.int64]] | None" = None

    @classmethod
    def of(cls, cohort: Cohort, statistics: PixelStatistics) -> "TrainingData":
        """The images of a cohort."""
        paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
        return cls(
            paths,
            hashes,
            cohort.exam_images,
            cohort.labels,
            cohort.findings,
            statistics,
            cohort.covariates,
            rows_of(cohort, "test"),
        )

    def rows(self, positive_copies: int) -> TrialRows:
        """The rows that a trial trains on, each positive one so many times."""
        return trial_rows(
            self.exam_images,
            self.labels,
            positive_copies,
            exclusive=self.findings.exclusive,
            held_out=self.held_out,
        )

    def images(self, square: Square, store: ArrayStore) -> Images:
        """Decode the images, or find them decoded; those of a part with the whole."""
        if self.whole is None:
            return load_images(self.paths, self.hashes, square, self.statistics, store)
        data, numbers = self.whole
        return data.images(square, store).take(numbers)

    def part(self, exams: NDArray[np.int64]) -> "TrainingData":
        """Some of the examinations, ascending; what was learned of all pixels stays as it is."""
        of_exams = self.exam_images[exams]
        numbers = np.unique(of_exams[of_exams >= 0])
        return replace(
            self,
            paths=tuple(self.paths[number] for number in numbers),
            hashes=tuple(self.hashes[number] for number in numbers),
            exam_images=np.where(of_exams < 0, -1, np.searchsorted(numbers, of_exams)),
            labels=self.labels[exams],
            covariates=self.covariates.iloc[exams] if len(self.covariates) else self.covariates,
            held_out=np.flatnonzero(np.isin(exams, self.held_out)),
            whole=(self, numbers),
        )


@dataclass(frozen=True)
class Materials:
    """What a network is trained with.

    Attributes:
        data: The labelled images.
        weights: Weights that the body starts from.
        store: Store of pixels, features and activations.
        device: Device of the training.
        by_place: Statistics by place that a pass stores, beside those that its trial needs.
    """

    data: TrainingData
    weights: Weights
    store: ArrayStore
    device: torch.device
    by_place: frozenset[Statistic] = frozenset()


@dataclass(frozen=True)
class Task:
    """Everything that all trials of a study share. It is small, since it is sent to each of them.

    Attributes:
        data: The labelled images.
        folds: Examinations to train on and to score, for all repeats.
        weights: Weights that bodies start from.
        cache: Folder of the stored arrays.
        cache_bytes: Bytes that the stored activations may take together.
        scoring: How out-of-fold scores are judged.
        seed: Seed shared by all trials, so that they differ by their configuration alone.
        repeatable: Whether a GPU is to give the same numbers each time; it may be slower.
        race: Examinations of each part that passes are compared on, the smallest first; none
            without a race.
        by_place: Statistics by place that some trial may need, so that each pass stores them.
    """

    data: TrainingData
    folds: tuple[Fold, ...]
    weights: Weights
    cache: Path
    cache_bytes: int
    scoring: Scoring
    seed: int
    repeatable: bool = False
    race: tuple[NDArray[np.int64], ...] = ()
    by_place: frozenset[Statistic] = frozenset()

    def materials(self, device: torch.device, store: ArrayStore | None = None) -> Materials:
        """What its networks are trained with; `store` is the task's own if not given."""
        store = store or ArrayStore(self.cache.expanduser(), self.cache_bytes)
        return Materials(self.data, self.weights, store, device, self.by_place)

    def part(self, exams: NDArray[np.int64]) -> "Task":
        """The same task for some of the examinations, ascending, on the folds as they are there."""
        folds = tuple(
            replace(
                fold,
                train=np.flatnonzero(np.isin(exams, fold.train)),
                valid=np.flatnonzero(np.isin(exams, fold.valid)),
            )
            for fold in self.folds
        )
        return replace(self, data=self.data.part(exams), folds=folds, race=())

    def judge(self, scores: NDArray[np.float32]) -> tuple[float, tuple[Evaluation, ...]]:
        """Objective of scores, and the metrics of each finding at its threshold.

        Args:
            scores: (num_exams, num_findings); examinations without a score do not count.
        """
        rows = is_scored(scores)
        return judge(self.data.labels[rows], scores[rows], self.scoring)
