"""The final model: a chosen configuration, fitted again, as often as its scores were averaged over.

A mean over several fits is nearer to the middle than one fit, and a fit to fewer rows is steeper or
flatter. So a threshold fits no other number of fits than the one that it was chosen on.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
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
    """Networks of one configuration that differ by their seed, or by the rows that they leave out.

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


def final_folds(
    config: TrialConfig, everything: Fold, scored: Callable[[], Sequence[Fold]], num_fits: int
) -> tuple[Fold, ...]:
    """What each network of a final model is trained on, and what it is to score.

    Networks whose seed makes a difference learn from everything. Of a head without a seed, each
    fit leaves out what a scored fit left out: no patient is left out of all of them.

    Args:
        config: Configuration of the networks.
        everything: All examinations to train on, and those to score, which may be none.
        scored: Gives the folds that the trial was scored on, one for a single split; to draw them
            takes time.
        num_fits: Number of networks; of a head without a seed, at most one per fold.
    """
    if HEADS[config.head].is_seeded:
        return (everything,) * num_fits
    if num_fits == 1 or len(folds := scored()) == 1:
        return (everything,)
    return tuple(Fold(fold.train, everything.valid) for fold in folds[:num_fits])


def fit_final(
    parts: Assembly,
    num_steps: int,
    folds: Sequence[Fold],
    report: Report,
    *,
    whole: bool = True,
) -> FinalFit:
    """Train a network on each fold for as many gradient steps as the scored models took.

    Args:
        parts: The configuration and what it is trained on.
        num_steps: Gradient steps that each scored model of the trial took.
        folds: Examinations to train on, and those to score, the same for all; see `final_folds`.
        report: Called after each network.
        whole: Whether the networks are to take in images later; else the frozen part is left out,
            and is not even built where all that it computes is stored.
    """
    config, frozen = parts.config, parts.body.frozen if whole else ()
    networks, scores = [], []
    for number, fold in enumerate(folds, start=1):
        num_rows = len(parts.rows.fold(fold).train)
        as_long = dataclasses.replace(parts, config=for_as_many_steps(config, num_steps, num_rows))
        seed = fold_seed(number, _NO_FOLD, config.seed)
        # a head on stored features is small
        with contextlib.nullcontext() if config.unfreeze else one_thread():
            network, record = train_network(as_long, fold, seed, frozen)
        report(number, record)
        networks.append(network.eval())
        scores.append(record.scores)
    return FinalFit(tuple(networks), np.mean(scores, axis=0, dtype=np.float32))
