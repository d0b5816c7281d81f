"""The average of several configurations that cannot be told apart, chosen without test labels."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.winner import Winner
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.evaluation.thresholds import choose_threshold


def choose_members(run: Path, winner: Winner, cohort: Cohort, size: int) -> list[Winner]:
    """The winner, and the best of those that are tied with it, each with its own threshold.

    Raises:
        InputError: if there are not as many.
    """
    others = [tied for tied in winner.tied if tied.trial != winner.trial]
    if not 1 <= size <= 1 + len(others):
        raise InputError(
            f"--ensemble must be from 1 to {1 + len(others)}, the number of trials that cannot "
            f"be told from the best one; got {size}"
        )
    members = [winner]
    for tied in others[: size - 1]:
        threshold = mean_threshold(run, [tied.trial], winner, cohort)
        members.append(dataclasses.replace(winner, **tied._asdict(), threshold=threshold))
    return members


def mean_threshold(run: Path, trials: Sequence[int], winner: Winner, cohort: Cohort) -> float:
    """The threshold of several trials' mean score, chosen on their mean out-of-fold scores."""
    by_trial = [np.load(run / "scores" / f"{trial:05d}.npy") for trial in trials]
    scores: NDArray[np.float32] = np.mean(by_trial, axis=0)
    scored = ~np.isnan(scores)
    threshold, _ = choose_threshold(
        cohort.labels[scored], scores[scored], winner.threshold_policy, winner.f1_average
    )
    return threshold
