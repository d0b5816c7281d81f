"""The mean of several statistically tied trials, chosen without test labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.evaluation.thresholds import choose_threshold
from trainable.places import scores_file
from trainable.winner import Member, Winner


def with_tied(run: Path, winner: Winner, cohort: Cohort, size: int) -> Winner:
    """The winner with the best of the trials that are tied with it, as further members.

    Each member has a threshold of its own; the threshold of the whole is that of the mean scores.

    Raises:
        InputError: If there are not enough tied trials.
    """
    others = [tied for tied in winner.tied if tied.trial != winner.best.trial]
    if not 1 <= size <= 1 + len(others):
        raise InputError(
            f"--ensemble must be from 1 to {1 + len(others)}, the number of statistically tied "
            f"trials (got {size})"
        )
    if size == 1:
        return winner
    members = [
        winner.best,
        *(
            Member(
                trial=tied.trial,
                config=tied.config,
                num_steps=tied.num_steps,
                threshold=_threshold(run, [tied.trial], winner, cohort),
            )
            for tied in others[: size - 1]
        ),
    ]
    threshold = _threshold(run, [member.trial for member in members], winner, cohort)
    return winner.model_copy(update={"members": tuple(members), "threshold": threshold})


def _threshold(run: Path, trials: list[int], winner: Winner, cohort: Cohort) -> float:
    """Threshold of the mean score of several trials, chosen on their mean out-of-fold scores."""
    by_trial = [np.load(scores_file(run, trial)) for trial in trials]
    scores: NDArray[np.float32] = np.mean(by_trial, axis=0)
    scored = ~np.isnan(scores)
    threshold, _ = choose_threshold(
        cohort.labels[scored], scores[scored], winner.threshold_policy, winner.f1_average
    )
    return threshold
