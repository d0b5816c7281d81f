"""Trials and teams of trials, scored under any number of weightings of the images at once."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.metrics import f1_of_counts, weighted_counts
from trainable.evaluation.objective import rank_objectives
from trainable.evaluation.scoring import F1Average, Objective, ThresholdPolicy
from trainable.evaluation.thresholds import ThresholdChoice, choose_thresholds
from trainable.run.winner import team_scores

_MOST_CELLS = 4_000_000  # images times weightings at a time, to bound the memory


@dataclass(frozen=True)
class TeamChoice:
    """One team per weighting of the images, with its own threshold.

    Attributes:
        thresholds: float32 (num_weightings,), of the team's mean score.
        f1s: float64 (num_weightings,), on the same weighting.
        left_out: float64 (4, num_weightings), TP, FN, FP and TN on the images of weight 0.
    """

    thresholds: NDArray[np.float32]
    f1s: NDArray[np.float64]
    left_out: NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """The trials to choose among, and how a choice is scored.

    Attributes:
        labels: (num_images,), 1 positive, 0 negative.
        scores: (num_trials, num_images), out-of-fold probability of the positive class.
        policy: Policy of the thresholds; every trial and every team has its own.
        average: Average of the F1.
        objective: What trials are compared by.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    policy: ThresholdPolicy
    average: F1Average
    objective: Objective = "f1"

    def each(self, weights: NDArray[np.float32]) -> ThresholdChoice:
        """Thresholds and objectives (num_trials, num_weightings) of each trial alone."""
        each = [self._choose(one, weights) for one in self.scores]
        return ThresholdChoice(
            np.stack([one.thresholds for one in each]), np.stack([one.objectives for one in each])
        )

    def log_likelihoods(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Negative log loss (num_trials, num_weightings) of each trial alone."""
        return np.stack(
            [rank_objectives("log_loss", self.labels, one, weights) for one in self.scores]
        )

    def teams(self, members: NDArray[np.int64], weights: NDArray[np.float32]) -> TeamChoice:
        """Score a team for each weighting.

        Args:
            members: (num_weightings, size), rows of the scores.
            weights: (num_weightings, num_images), how often each image counts.
        """
        thresholds = np.empty(len(weights), np.float32)
        f1s = np.empty(len(weights))
        left_out = np.empty((4, len(weights)))
        different, which = np.unique(np.sort(members, axis=1), axis=0, return_inverse=True)
        for number, team in enumerate(different):
            those = np.flatnonzero(which.ravel() == number)
            mean = self.mean_scores(team)
            for rows in np.array_split(those, math.ceil(len(those) * len(mean) / _MOST_CELLS)):
                some = weights[rows]
                thresholds[rows] = self._choose(mean, some).thresholds
                positives = mean >= thresholds[rows, None]
                counts = weighted_counts(self.labels, positives, some)
                f1s[rows] = f1_of_counts(counts, self.average)
                left_out[:, rows] = weighted_counts(self.labels, positives, some == 0)
        return TeamChoice(thresholds, f1s, left_out)

    def mean_scores(self, members: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score (num_images,) of a team: the mean probability, as one new patient can have it."""
        return team_scores(self.scores[members])

    def _choose(self, scores: NDArray[np.float32], weights: NDArray[np.float32]) -> ThresholdChoice:
        return choose_thresholds(
            self.labels, scores, weights, self.policy, self.average, self.objective
        )


def best_first(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Trials (num_weightings, num_trials) by their values (num_trials, num_weightings)."""
    return np.argsort(-values, axis=0, kind="stable").T


def varied_first(
    ranked: NDArray[np.int64], kinds: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Trials in their order, but those of each kind after its first `most` come last.

    Args:
        ranked: (num_weightings, num_trials), trials in an order.
        kinds: (num_trials,), trials of one kind share a number.
        most: Trials of one kind that come first.
    """
    of_rank = kinds[ranked]
    is_late = np.zeros(ranked.shape, bool)
    for kind in np.unique(kinds):
        is_kind = of_rank == kind
        is_late |= is_kind & (is_kind.cumsum(axis=1) > most)
    return _last(ranked, is_late)


def planned_first(
    ranked: NDArray[np.int64], planned: NDArray[np.bool_], most: int
) -> NDArray[np.int64]:
    """Trials in their order, but the first `most` planned ones before all others.

    Args:
        ranked: (num_weightings, num_trials), trials in an order.
        planned: (num_weightings, num_trials), by the number of the trial.
        most: Planned trials that come first.
    """
    of_rank = np.take_along_axis(planned, ranked, axis=1)
    is_first = of_rank & (of_rank.cumsum(axis=1) <= most)
    return _last(ranked, ~is_first)


def _last(ranked: NDArray[np.int64], is_late: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Trials in their order, but those at the late places after all others."""
    return np.take_along_axis(ranked, is_late.argsort(axis=1, kind="stable"), axis=1)
