"""The final model: a chosen configuration, fitted again to everything.

Networks whose seed makes a difference are fitted as often as their scores were averaged over: the
threshold was chosen on such a mean. A head without a seed is fitted once. It was scored by means of
fits that each left out a fold; such means have been tried as final models. On 40 resplits of two
cohorts of X-rays their AUC was 0.001 to 0.003 higher, but their F1 0.001 to 0.019 lower
(`python -m benchmarks.quality.final_fits`).
"""

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.device import one_thread
from trainable.model.network import Network
from trainable.training.heads import HEADS
from trainable.training.loop import EpochRecord
from trainable.training.steps import epochs_for
from trainable.trial.cross_validation import Assembly, fold_seed, train_network

_NO_FOLD = 0  # no trial has a fold of this number

Report = Callable[[int, EpochRecord], None]
"""Takes the number of a network, 1 for the first, and the record of its last epoch."""


@dataclass(frozen=True)
class FinalFit:
    """Networks of one configuration that differ by their seed.

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


def num_networks(config: TrialConfig, num_fits: int) -> int:
    """Networks of a final model: as many as are asked, or one if no seed makes a difference."""
    return num_fits if HEADS[config.head].is_seeded else 1


def fit_final(
    parts: Assembly,
    num_steps: int,
    fold: Fold,
    num_fits: int,
    report: Report = lambda *_: None,
    *,
    whole: bool = True,
) -> FinalFit:
    """Train the networks for as many gradient steps as the scored models took.

    Args:
        parts: The configuration and what it is trained on.
        num_steps: Gradient steps that each scored model of the trial took.
        fold: Examinations to train on, and those to score, which may be none.
        num_fits: Number of networks, where a seed makes a difference.
        report: Called after each network.
        whole: Whether the networks are to take in images later; else the frozen part is left out,
            and is not even built where all that it computes is stored.
    """
    config, frozen = parts.config, parts.body.frozen if whole else ()
    num_rows = len(parts.rows.fold(fold).train)
    as_long = dataclasses.replace(parts, config=for_as_many_steps(config, num_steps, num_rows))
    networks, scores = [], []
    for number in range(1, num_networks(config, num_fits) + 1):
        seed = fold_seed(number, _NO_FOLD, config.seed)
        # a head on stored features is small
        with contextlib.nullcontext() if config.unfreeze else one_thread():
            network, record = train_network(as_long, fold, seed, frozen)
        report(number, record)
        networks.append(network.eval())
        scores.append(record.scores)
    return FinalFit(tuple(networks), np.mean(scores, axis=0, dtype=np.float32))
