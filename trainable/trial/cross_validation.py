"""One trial: a configuration trained on each fold, and its out-of-fold scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainable.backbones.weights import Weights
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.evaluation.metrics import Evaluation, evaluate
from trainable.evaluation.scoring import F1Average, Objective, ThresholdPolicy
from trainable.evaluation.thresholds import choose_threshold
from trainable.features.tables import Source
from trainable.heads.find import find_head
from trainable.images.batches import with_columns
from trainable.model.covariate_encoder import ColumnCode
from trainable.model.network import Network
from trainable.store.arrays import ArrayStore
from trainable.training.loop import EpochRecord, FoldData
from trainable.training.split_network import split_over_ranks
from trainable.trial.assembly import Assembly, TrainingData, assemble
from trainable.trial.fresh_network import new_network, num_image_features


@dataclass(frozen=True)
class Task:
    """Everything that all trials of a study share. It is small, since it is sent to each of them.

    Attributes:
        data: The labelled images.
        folds: Examinations to train on and to score, for all repeats.
        weights: Weights that bodies start from.
        cache: Folder of the stored arrays.
        cache_bytes: Bytes that the stored activations may take together.
        f1_average: Which F1 is computed.
        threshold: How the threshold of each trial is chosen on its out-of-fold scores.
        seed: Seed shared by all trials, so that they differ by their configuration alone.
        objective: What trials are compared by.
    """

    data: TrainingData
    folds: tuple[Fold, ...]
    weights: Weights
    cache: Path
    cache_bytes: int
    f1_average: F1Average
    threshold: ThresholdPolicy
    seed: int
    objective: Objective = "f1"


@dataclass(frozen=True)
class FoldRecord:
    """The state of a trial after one more fold; it is judged when somebody asks.

    Attributes:
        fold: Number of folds done so far.
        scores: float32 (num_exams,), mean probability of the positive class by the models so far
            that did not train on the examination or its patient; NaN where there is none yet.
        last_epoch: Record of the last epoch of this fold.
        source: What the inputs of the networks are made from.
        num_forwarded: Images that the trial ran the frozen part on so far; 0 if all was stored.
        task: What the trial shares with others; it says how scores are judged.
    """

    fold: int
    scores: NDArray[np.float32]
    last_epoch: EpochRecord
    source: Source
    num_forwarded: int
    task: Task

    @property
    def objective(self) -> float:
        """Objective of the scores."""
        return self._threshold_and_objective[1]

    @cached_property
    def evaluation(self) -> Evaluation:
        """Metrics of the scores at their threshold."""
        threshold, _ = self._threshold_and_objective
        return evaluate(*self._scored, threshold, self.task.f1_average)

    @cached_property
    def _threshold_and_objective(self) -> tuple[float, float]:
        task = self.task
        return choose_threshold(*self._scored, task.threshold, task.f1_average, task.objective)

    @property
    def _scored(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Labels and scores of the examinations that have one."""
        scored = ~np.isnan(self.scores)
        return self.task.data.labels[scored], self.scores[scored]


def cross_validate(
    config: TrialConfig, task: Task, device: torch.device, store: ArrayStore
) -> Iterator[FoldRecord]:
    """Train on each fold in turn, and score the examinations that the fold leaves out.

    Yields:
        One record per fold; the last one holds the trial's score.

    Raises:
        ValueError: If the configuration is for another number of views.
    """
    parts = assemble(config, task.data, task.weights, store, device)
    num_exams = len(task.data.labels)
    totals, counts = np.zeros(num_exams), np.zeros(num_exams)
    for number, fold in enumerate(task.folds, start=1):
        _, record = train_network(parts, fold, fold_seed(task.seed, number, config.seed))
        totals[fold.valid] += record.scores
        counts[fold.valid] += 1
        scored = np.flatnonzero(counts)
        scores = np.full(num_exams, np.nan, np.float32)
        scores[scored] = totals[scored] / counts[scored]
        yield FoldRecord(number, scores, record, parts.source, parts.body.num_forwarded, task)


def train_network(
    parts: Assembly, fold: Fold, seed: int, frozen: Sequence[nn.Module] = ()
) -> tuple[Network, EpochRecord]:
    """Train a new network for all epochs; the last record counts, never the best one.

    Args:
        parts: The configuration and what it is trained on.
        fold: Examinations to train on, and those to score; the latter may be none.
        seed: Seed of the head, the order of the images and dropout.
        frozen: Frozen stages, for a network that is to take in whole images later.
    """
    config, device, inputs = parts.config, parts.labels.device, parts.inputs
    code = None
    if config.covariates:
        columns = parts.covariates
        code = ColumnCode.fit(columns.iloc[fold.train], num_image_features(config))
        values = torch.from_numpy(code.values(columns.iloc[parts.rows.origins]))
        inputs = with_columns(inputs, code.encode(values), device)
    network = new_network(config, frozen, parts.body.trained, seed, device, code)
    network = split_over_ranks(network, device)
    rows = parts.rows.fold(fold)
    data = FoldData(inputs, parts.labels, rows.train, rows.valid)
    return network, find_head(config.head).fit(network, data, config, seed)


def fold_seed(seed: int, fold: int, draw: int = 0) -> int:
    """A seed of its own for each fold of each run and draw, from the run's and the trial's seed."""
    return int(np.random.SeedSequence([seed, fold, draw]).generate_state(1)[0])
