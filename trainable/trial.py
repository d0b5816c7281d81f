"""One trial: a configuration trained on each fold, and its out-of-fold scores."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainable.backbones.weights import Weights
from trainable.cohort.splits import Fold
from trainable.cohort.training_rows import trial_rows
from trainable.config import TrialConfig
from trainable.device import place
from trainable.evaluation.metrics import Evaluation, F1Average, evaluate
from trainable.evaluation.thresholds import ThresholdPolicy, choose_threshold
from trainable.features.body import Body
from trainable.features.tables import Source, frozen_inputs
from trainable.images.augmentation import with_augmented
from trainable.images.batches import Batches, by_examination, load_images
from trainable.images.pixels import PixelStatistics
from trainable.model.network import Network, fresh_head
from trainable.store import ArrayStore
from trainable.training.loop import EpochRecord, fit
from trainable.training.split_network import split_over_ranks


@dataclass(frozen=True)
class Task:
    """What all trials of a study share; small, since it travels to each of them.

    Attributes:
        paths: the image files, in the order of the cohort.
        hashes: SHA-256 of each file.
        exam_images: int64 (num_exams, views), numbers of images, -1 where a view is missing; of one
            view, each image is an examination.
        labels: int64 (num_exams,), 1 positive, 0 negative.
        folds: examinations to train on and to score, those of all repeats.
        statistics: of the cohort's pixels.
        weights: where bodies start from.
        cache: folder of the stored arrays.
        cache_bytes: that the stored activations may take together.
        f1_average: of the objective.
        threshold: how each trial's own is chosen, on its out-of-fold scores.
        seed: the same for every trial, so that trials differ by their configuration alone.
    """

    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    labels: NDArray[np.int64]
    folds: tuple[Fold, ...]
    statistics: PixelStatistics
    weights: Weights
    cache: Path
    cache_bytes: int
    f1_average: F1Average
    threshold: ThresholdPolicy
    seed: int


@dataclass(frozen=True)
class FoldRecord:
    """The state of a trial after one more fold.

    Attributes:
        fold: folds done so far.
        scores: float32 (num_exams,), mean probability of the positive class by the models so far
            that did not train on the examination or its patient; NaN where there is none yet.
        objective: of those scores.
        evaluation: of those scores, at their threshold.
        last_epoch: of this fold.
        source: what the trial starts from.
        num_forwarded: images that it ran the frozen part on so far, 0 if all was found stored.
    """

    fold: int
    scores: NDArray[np.float32]
    objective: float
    evaluation: Evaluation
    last_epoch: EpochRecord
    source: Source
    num_forwarded: int


def cross_validate(
    config: TrialConfig, task: Task, device: torch.device, store: ArrayStore
) -> Iterator[FoldRecord]:
    """Train on each fold in turn and score what it leaves out.

    Yields:
        One record a fold; the last one holds the trial's score.

    Raises:
        ValueError: if the configuration is for another number of views.
    """
    if config.views != task.exam_images.shape[1]:
        raise ValueError(
            f"views must be that of the cohort's examinations, {task.exam_images.shape[1]}; got "
            f"{config.views}"
        )
    rows = trial_rows(task.exam_images, task.labels, config.positive_copies)
    size, num_views = config.image_size, config.positive_copies
    images = load_images(task.paths, task.hashes, size, task.statistics, store)
    images = with_augmented(images, task.hashes, rows.positives, num_views, store)
    labels = torch.tensor(rows.labels, device=device)
    body = Body(images, config, task.weights, device)
    of_images, source = frozen_inputs(body, store, task.cache_bytes)
    inputs = by_examination(of_images, rows.images, device)
    totals, counts = np.zeros(len(task.labels)), np.zeros(len(task.labels))
    for number, fold in enumerate(task.folds, start=1):
        seed = fold_seed(task.seed, number, config.seed)
        network = split_over_ranks(new_network(config, [], body.trained, seed, device), device)
        record = fit_to_end(network, inputs, labels, rows.fold(fold), config, seed)
        totals[fold.valid] += record.scores
        counts[fold.valid] += 1
        scored = np.flatnonzero(counts)
        scores = np.full(len(counts), np.nan, np.float32)
        scores[scored] = totals[scored] / counts[scored]
        of_scored = task.labels[scored], scores[scored]
        threshold, objective = choose_threshold(*of_scored, task.threshold, task.f1_average)
        evaluation = evaluate(*of_scored, threshold, task.f1_average)
        yield FoldRecord(number, scores, objective, evaluation, record, source, body.num_forwarded)


def fit_to_end(
    network: Network,
    inputs: Batches,
    labels: torch.Tensor,
    fold: Fold,
    config: TrialConfig,
    seed: int,
) -> EpochRecord:
    """Train for all epochs; the last record is the one that counts, never the best one."""
    *_, last = fit(network, inputs, labels, fold.train, fold.valid, config, seed)
    return last


def new_network(
    config: TrialConfig,
    frozen: Sequence[nn.Module],
    trained: Sequence[nn.Module],
    seed: int,
    device: torch.device,
) -> Network:
    """A network with a fresh head, ready to train; the same seed gives the same head.

    Args:
        config: of the trial.
        frozen: stages that the network takes as they are; none if it is to go on from what they
            computed (`suffix`).
        trained: stages that it takes a copy of.
        seed: of the head.
        device: of the network.
    """
    torch.manual_seed(seed)
    head = fresh_head(config)
    trained = [copy.deepcopy(stage).requires_grad_() for stage in trained]
    return place(Network(frozen, trained, head), device)


def fold_seed(seed: int, fold: int, draw: int = 0) -> int:
    """A seed of its own for each fold of each run and draw, from the run's and the trial's seed."""
    return int(np.random.SeedSequence([seed, fold, draw]).generate_state(1)[0])
