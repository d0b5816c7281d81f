"""The final model: a chosen configuration, trained again with several seeds."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.heads.find import find_head
from trainable.model.network import Network
from trainable.training.loop import EpochRecord
from trainable.training.steps import epochs_for
from trainable.trial.assembly import Assembly
from trainable.trial.cross_validation import fold_seed, train_network

_NO_FOLD = 0  # no trial has a fold of this number

Report = Callable[[int, EpochRecord], None]
"""Takes the number of a network, 1 for the first, and the record of its last epoch."""


@dataclass(frozen=True)
class FinalFit:
    """Networks of one configuration that differ by their seed alone.

    Attributes:
        networks: In evaluation mode; all share one frozen part.
        scores: float32 (num_held_out, num_findings), mean probability of the positive class over
            the networks.
    """

    networks: tuple[Network, ...]
    scores: NDArray[np.float32]


def for_as_many_steps(config: TrialConfig, num_steps: int, num_rows: int) -> TrialConfig:
    """The configuration with about as many gradient steps, and its rate falling at the same ones.

    Args:
        config: Configuration of the scored models.
        num_steps: Gradient steps that each of them took.
        num_rows: Examinations to train on now.
    """
    epochs = epochs_for(num_steps, num_rows, config.batch_size)
    step_epochs = max(1, round(config.step_epochs * epochs / config.epochs))
    return config.model_copy(update={"epochs": epochs, "step_epochs": step_epochs})


def fit_final(
    parts: Assembly, num_steps: int, fold: Fold, num_seeds: int, report: Report
) -> FinalFit:
    """Train with each seed for as many gradient steps as the scored models took.

    Args:
        parts: The configuration and what it is trained on.
        num_steps: Gradient steps that each scored model of the trial took.
        fold: Examinations to train on, and those to score; the latter may be none.
        num_seeds: Number of networks, if seeds make a difference.
        report: Called after each network.
    """
    config = parts.config
    num_rows = len(parts.rows.fold(fold).train)
    as_long = dataclasses.replace(parts, config=for_as_many_steps(config, num_steps, num_rows))
    networks, scores = [], []
    for number in range(1, find_head(config.head).num_networks(num_seeds) + 1):
        seed = fold_seed(number, _NO_FOLD, config.seed)
        network, record = train_network(as_long, fold, seed, parts.body.frozen)
        report(number, record)
        networks.append(network.eval())
        scores.append(record.scores)
    return FinalFit(tuple(networks), np.mean(scores, axis=0, dtype=np.float32))
