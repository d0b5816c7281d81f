"""One trial: a configuration trained on each fold, and its out-of-fold scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainable.cohort.scored import OutOfFold
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.features.tables import Source
from trainable.images.batches import with_columns
from trainable.model.covariate_encoder import ColumnCode
from trainable.model.network import Network
from trainable.store.arrays import ArrayStore
from trainable.training.heads import HEADS
from trainable.training.loop import EpochRecord, FoldData
from trainable.training.split_network import split_over_ranks
from trainable.trial.assembly import Assembly, assemble, new_network, num_image_features
from trainable.trial.task import Task


@dataclass(frozen=True)
class FoldRecord:
    """The state of a trial after one more fold; `Task.judge` says what it is worth.

    Attributes:
        fold: Number of folds done so far.
        scores: float32 (num_exams, num_findings), mean probability of the positive class by the
            models so far that did not train on the examination or its patient; NaN where there is
            none yet.
        last_epoch: Record of the last epoch of this fold.
        source: What the inputs of the networks are made from.
        num_forwarded: Images that the trial ran the frozen part on so far; 0 if all was stored.
    """

    fold: int
    scores: NDArray[np.float32]
    last_epoch: EpochRecord
    source: Source
    num_forwarded: int


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
    found = OutOfFold(*task.data.labels.shape)
    for number, fold in enumerate(task.folds, start=1):
        _, record = train_network(parts, fold, fold_seed(task.seed, number, config.seed))
        found.add(fold.valid, record.scores)
        yield FoldRecord(number, found.scores, record, parts.source, parts.body.num_forwarded)


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
    return network, HEADS[config.head].fit(network, data, config, seed)


def fold_seed(seed: int, fold: int, draw: int = 0) -> int:
    """A seed of its own for each fold of each run and draw, from the run's and the trial's seed."""
    return int(np.random.SeedSequence([seed, fold, draw]).generate_state(1)[0])
