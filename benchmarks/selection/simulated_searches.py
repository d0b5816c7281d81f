"""Searches made of numbers: correlated score vectors whose true F1 is known.

A cohort has the number of positives that it has, but it is a sample: new patients are drawn with a
share of positives as uncertain as a sample of so many patients leaves it, as with real cohorts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import special, stats
from scipy.stats import qmc
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.quality.judged_search import JudgedSearch
from trainable.cohort.scored import Scored, team_scores

NUM_FOLDS = 5
NUM_TRIALS, NUM_NEW_IMAGES = 50, 5000
# Configurations are as good as published work on the source documents' question: AUC about 0.77,
# from 0.72 to 0.82.
MEAN_DISTANCE, DISTANCE_SPREAD = 1.05, 0.12
# Networks that are trained on the same images err on the same images, and on the same patients.
SHARE_OF_NOISE_SHARED, SHARE_OF_NOISE_OF_PATIENTS = 0.7, 0.5
# the true F1 of a team is then right to four decimals
_LOG_POINTS, _BISECTIONS = 12, 40


class NormalTruth:
    """True F1 of trials whose scores come of normal numbers, a distance apart for the two classes.

    The scores are the right probabilities at the share of positives of the training images, as
    those of a network are that was trained on the log loss, more or less.

    The mean score of a team is not normal. But given the members' own noise it rises with the noise
    that they share, so the share above a threshold is a normal tail; its mean over the own noise is
    taken on quasi-random points.
    """

    def __init__(self, distances: NDArray[np.float64], share: float, trained_on: float) -> None:
        """Take the distances (num_trials,), in deviations, and two shares of positive images.

        Args:
            distances: (num_trials,), more than 0.
            share: Share among all patients.
            trained_on: Share among those whom the trials learned from.
        """
        self.distances = distances
        self.share = share
        self._trained_on = trained_on

    def scores(self, members: Sequence[int], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of normal numbers, whose last dimension is of the members."""
        distances = self.distances[np.array(members)]
        return np.asarray(
            special.expit(distances * (numbers - distances / 2) + special.logit(self._trained_on))
        )

    def f1(self, members: Sequence[int], threshold: float) -> float:
        """F1 of the trials' mean score at a threshold."""
        if threshold >= 1:
            return 0.0
        return float(self._f1(*self.shares_above(members, threshold)))

    def shares_above(self, members: Sequence[int], threshold: float) -> tuple[float, float]:
        """Shares of the positive and of the negative images whose mean score reaches a threshold.

        Args:
            members: Rows of the distances.
            threshold: In (0, 1).
        """
        points = qmc.Sobol(len(members), seed=0).random_base2(_LOG_POINTS)
        own = np.sqrt(1 - SHARE_OF_NOISE_SHARED) * stats.norm.ppf(points)
        found = self._share_above(threshold, members, own + self.distances[np.array(members)])
        return found, self._share_above(threshold, members, own)

    def best_f1(self) -> float:
        """F1 of the best trial at its best threshold."""
        grid = np.linspace(-5, 6, 2201)[:, None]
        return float(self._f1(stats.norm.sf(grid - self.distances), stats.norm.sf(grid)).max())

    def new_scores(
        self, members: Sequence[int], seed: int, num_images: int = NUM_NEW_IMAGES
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Labels and mean scores (num_images, 1) of some trials on new patients, an image each."""
        rng = np.random.default_rng([seed, 1])
        labels = (rng.random((num_images, 1)) < self.share).astype(np.int64)
        shared = np.sqrt(SHARE_OF_NOISE_SHARED) * rng.normal(size=labels.shape)
        own = np.sqrt(1 - SHARE_OF_NOISE_SHARED) * rng.normal(size=(len(labels), len(members)))
        numbers = self.distances[np.array(members)] * labels + shared + own
        return labels, team_scores(self.scores(members, numbers).T.astype(np.float32))[:, None]

    def _share_above(
        self, threshold: float, members: Sequence[int], alone: NDArray[np.float64]
    ) -> float:
        """How often the members' mean score reaches a threshold.

        Args:
            threshold: In (0, 1).
            members: Rows of the distances.
            alone: (num_points, num_members), the normal numbers without the noise that is shared.
        """
        low, high = np.full((2, len(alone), 1), [[[-20.0]], [[20.0]]])
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            enough = self.scores(members, alone + middle).mean(axis=1, keepdims=True) >= threshold
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return float(stats.norm.sf(high / np.sqrt(SHARE_OF_NOISE_SHARED)).mean())

    def _f1(
        self, sensitivity: NDArray[np.float64] | float, false_share: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        found, false = self.share * sensitivity, (1 - self.share) * false_share
        return np.asarray(2 * found / (self.share + found + false))


def simulate_search(
    num_images: int, num_positive: int, seed: int, num_trials: int = NUM_TRIALS
) -> JudgedSearch:
    """Draw the out-of-fold scores (num_trials, num_images) of one search, in [0, 1]."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [num_positive, num_images - num_positive])
    positive = patients_of(num_positive, rng)
    negative = positive.max() + 1 + patients_of(num_images - num_positive, rng)
    patients = np.concatenate([positive, negative])
    distances = rng.normal(MEAN_DISTANCE, DISTANCE_SPREAD, num_trials)
    shared = np.sqrt(SHARE_OF_NOISE_SHARED) * noise(1, patients, rng)
    own = np.sqrt(1 - SHARE_OF_NOISE_SHARED) * noise(num_trials, patients, rng)
    deviations = distances[:, None] * labels + shared + own
    folds = np.empty(num_images, np.int64)
    splitter = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    for number, (_, valid) in enumerate(splitter.split(labels, labels, patients)):
        folds[valid] = number
    # of which share of positives the patients may come, given those that the cohort has
    num_patients = len(np.unique(patients))
    num_positive_patients = int(positive.max()) + 1
    share = rng.beta(num_positive_patients, num_patients - num_positive_patients)
    truth = NormalTruth(distances, share, num_positive / num_images)
    scores = truth.scores(range(num_trials), deviations.T).T.astype(np.float32)
    scored = Scored(labels[:, None], patients, scores[..., None])
    return JudgedSearch(scored, folds, scores, truth)


def patients_of(num_images: int, rng: Generator) -> NDArray[np.int64]:
    """A patient for each image, 1 to 4 images a patient as in the demo cohort."""
    sizes = 1 + rng.choice(4, num_images, p=[0.6, 0.25, 0.1, 0.05])
    return np.repeat(np.arange(num_images), sizes)[:num_images]


def noise(num_trials: int, patients: NDArray[np.int64], rng: Generator) -> NDArray[np.float64]:
    """Normal numbers (num_trials, num_images), those of a patient's images alike."""
    of_patients = rng.normal(size=(num_trials, patients.max() + 1))[:, patients]
    of_images = rng.normal(size=(num_trials, len(patients)))
    share = SHARE_OF_NOISE_OF_PATIENTS
    return np.asarray(np.sqrt(share) * of_patients + np.sqrt(1 - share) * of_images)
