"""One trial: a configuration trained on each fold, and its out-of-fold scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.config import TrialConfig
from trainable.device import place
from trainable.features import Images, Inputs, computed_inputs, stored_features
from trainable.folds import Fold
from trainable.metrics import Evaluation, F1Average, evaluate
from trainable.model import Network, build_network
from trainable.pixels import PixelStatistics, load_pixels, pixels_key
from trainable.store import ArrayStore
from trainable.thresholds import ThresholdPolicy, choose_threshold
from trainable.training import EpochRecord, fit
from trainable.weights import Weights


@dataclass(frozen=True)
class Task:
    """What all trials of a study share; small, since it travels to each of them.

    Attributes:
        paths: the image files, in the order of the cohort.
        hashes: SHA-256 of each file.
        labels: int64 (num_images,), 1 positive, 0 negative.
        folds: rows to train on and to score.
        statistics: of the cohort's pixels.
        weights: where bodies start from.
        cache: folder of the stored arrays.
        f1_average: of the objective.
        threshold: how each trial's own is chosen, on its out-of-fold scores.
        seed: the same for every trial, so that trials differ by their configuration alone.
    """

    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: NDArray[np.int64]
    folds: tuple[Fold, ...]
    statistics: PixelStatistics
    weights: Weights
    cache: Path
    f1_average: F1Average
    threshold: ThresholdPolicy
    seed: int


@dataclass(frozen=True)
class FoldRecord:
    """The state of a trial after one more fold.

    Attributes:
        fold: folds done so far.
        scores: float32 (num_images,), probability of the positive class where an image has been
            scored by a model that did not train on it or its patient, else NaN.
        objective: of those scores.
        evaluation: of those scores, at their threshold.
        last_epoch: of this fold.
    """

    fold: int
    scores: NDArray[np.float32]
    objective: float
    evaluation: Evaluation
    last_epoch: EpochRecord


def cross_validate(
    config: TrialConfig, task: Task, device: torch.device, store: ArrayStore
) -> Iterator[FoldRecord]:
    """Train on each fold in turn and score what it leaves out.

    Yields:
        One record a fold; the last one holds the trial's score.
    """
    images = Images(
        load_pixels(task.paths, task.hashes, config.image_size, store),
        task.statistics,
        pixels_key(task.hashes, config.image_size),
    )
    labels = torch.tensor(task.labels, device=device)
    shared = None
    if config.unfreeze == 0:
        shared = stored_features(images, config, task.weights, store, device)
    scores = np.full(len(task.labels), np.nan, np.float32)
    for number, fold in enumerate(task.folds, start=1):
        seed = fold_seed(task.seed, number)
        network = new_network(config, task.weights, seed, device, with_body=shared is None)
        inputs = shared or computed_inputs(images, network.prefix, config.normalization, device)
        record = fit_to_end(network, inputs, labels, fold, config, seed)
        scores[fold.valid] = record.scores
        scored = np.flatnonzero(~np.isnan(scores))
        of_scored = task.labels[scored], scores[scored]
        threshold, objective = choose_threshold(*of_scored, task.threshold, task.f1_average)
        evaluation = evaluate(*of_scored, threshold, task.f1_average)
        yield FoldRecord(number, scores.copy(), objective, evaluation, record)


def fit_to_end(
    network: Network,
    inputs: Inputs,
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
    weights: Weights,
    seed: int,
    device: torch.device,
    *,
    with_body: bool,
) -> Network:
    """A network with a fresh head, ready to train.

    Without the body it takes pooled features only (`suffix`), and the same seed gives the same head
    with the body as without.
    """
    model = weights.build(config.backbone) if with_body else None
    torch.manual_seed(seed)
    network = build_network(
        model,
        config.backbone,
        config.cut,
        config.unfreeze,
        config.head_width,
        config.dropout,
    )
    return place(network, device)


def fold_seed(seed: int, fold: int) -> int:
    """A seed of its own for each fold of each run, from the run's seed."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])
