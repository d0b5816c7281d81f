"""Trials and teams of trials, scored under any number of weightings of the images at once."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.scored import Scored, team_scores
from trainable.evaluation.counts import average_of_each, decide, f1_over_findings, weighted_counts
from trainable.evaluation.metrics import Weighted, log_likelihood
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import ThresholdChoice, choose_thresholds

_MOST_CELLS = 4_000_000  # images times weightings at a time, to bound the memory


@dataclass(frozen=True)
class TeamChoice:
    """One team per weighting of the images, with its own thresholds.

    Attributes:
        thresholds: float32 (num_weightings, num_findings), of the team's mean score.
        f1s: float64 (num_weightings,), on the same weighting, over the findings.
        left_out: float64 (4, num_weightings, num_findings), TP, FN, FP and TN on the images of
            weight 0.
    """

    thresholds: NDArray[np.float32]
    f1s: NDArray[np.float64]
    left_out: NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """The trials to choose among, and how a choice is scored.

    Attributes:
        scored: Their out-of-fold scores (num_trials, num_images, num_findings).
        scoring: How scores are judged; every trial and every team has its own thresholds.
    """

    scored: Scored
    scoring: Scoring

    def each(self, weights: NDArray[np.float32]) -> ThresholdChoice:
        """Thresholds (num_trials, num_weightings, num_findings) and objectives of each alone."""
        each = [self._choose(one, weights) for one in self.scored.scores]
        return ThresholdChoice(
            np.stack([one.thresholds for one in each]),
            np.stack([one.objectives for one in each]),
            np.stack([one.of_each for one in each]),
        )

    def of_finding(self, number: int) -> "Trials":
        """The same trials for one of the findings, on the images whose label of it is known."""
        average = average_of_each(self.scoring.f1_average, self.scored.labels.shape[1])
        return Trials(self.scored.of_findings([number]), replace(self.scoring, f1_average=average))

    def objectives_of(
        self, scores: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Objectives (len(scores), num_weightings) of scores of some of the images, NaN elsewhere.

        -inf where the images of a weighting lack a class of every finding.
        """
        return np.stack([self._objectives(one, weights) for one in scores])

    def _objectives(
        self, scores: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        rows = ~np.isnan(scores).any(axis=1)
        labels, by_image = self.scored.labels[rows], weights.T[rows]
        classes = [(labels == label).astype(np.float32).T @ by_image > 0 for label in (0, 1)]
        usable = np.all(classes, axis=0).any(axis=0)
        found = np.full(len(weights), -np.inf)
        if usable.any():
            given = Weighted(labels, scores[rows], by_image[:, usable].T)
            found[usable] = choose_thresholds(given, self.scoring).objectives
        return found

    def log_likelihoods(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Negative log loss (num_trials, num_weightings) of each alone, the mean over findings."""
        labels = self.scored.labels
        return np.stack(
            [
                log_likelihood(Weighted(labels, one, weights)).mean(axis=1)
                for one in self.scored.scores
            ]
        )

    def teams(self, members: NDArray[np.int64], weights: NDArray[np.float32]) -> TeamChoice:
        """Score a team for each weighting.

        Args:
            members: (num_weightings, size), rows of the scores.
            weights: (num_weightings, num_images), how often each image counts.
        """
        labels, num_findings = self.scored.labels, self.scored.labels.shape[1]
        thresholds = np.empty((len(weights), num_findings), np.float32)
        f1s = np.empty(len(weights))
        left_out = np.empty((4, len(weights), num_findings))
        different, which = np.unique(np.sort(members, axis=1), axis=0, return_inverse=True)
        for number, team in enumerate(different):
            those = np.flatnonzero(which.ravel() == number)
            mean = self.mean_scores(team)
            for rows in np.array_split(those, math.ceil(len(those) * mean.size / _MOST_CELLS)):
                some = weights[rows]
                thresholds[rows] = self._choose(mean, some).thresholds
                positives = decide(mean, thresholds[rows, None], exclusive=self.scoring.exclusive)
                counts = weighted_counts(labels, positives, some)
                f1s[rows] = f1_over_findings(counts, self.scoring.f1_average)
                left_out[:, rows] = weighted_counts(labels, positives, some == 0)
        return TeamChoice(thresholds, f1s, left_out)

    def mean_scores(self, members: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores (num_images, num_findings) of a team: their mean, as one new patient has it."""
        return team_scores(self.scored.scores[members])

    def _choose(self, scores: NDArray[np.float32], weights: NDArray[np.float32]) -> ThresholdChoice:
        return choose_thresholds(Weighted(self.scored.labels, scores, weights), self.scoring)


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


def there_first(ranked: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Trials in their order, but those that are no candidates (num_weightings, num_trials) last."""
    return _last(ranked, ~np.take_along_axis(there, ranked, axis=1))


def _last(ranked: NDArray[np.int64], is_late: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Trials in their order, but those at the late places after all others."""
    return np.take_along_axis(ranked, is_late.argsort(axis=1, kind="stable"), axis=1)
