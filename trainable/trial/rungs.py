"""After how many folds a trial says what it has scored, and may be stopped for being behind."""

from typing import get_args

from trainable.config import NetworkHead, TrialConfig

GRACE_FOLDS, REDUCTION = 2, 2
"""Folds after which trials may stop first, and which part of them goes on: one in so many."""


def rungs(num_folds: int) -> tuple[int, ...]:
    """Numbers of folds, before the last, after which trials that are behind the others stop.

    >>> rungs(15)
    (2, 4, 8)
    """
    fold, found = GRACE_FOLDS, []
    while fold < num_folds:
        found.append(fold)
        fold *= REDUCTION
    return tuple(found)


def reports(config: TrialConfig, fold: int, num_folds: int) -> bool:
    """Whether a trial says what it has scored after so many folds, before its last one.

    The folds of a logistic head take less time than a report, and those of a network on a frozen
    body little more.
    """
    if config.unfreeze:
        return True
    return config.head in get_args(NetworkHead) and fold in rungs(num_folds)
