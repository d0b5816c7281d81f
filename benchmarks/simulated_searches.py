"""Searches made of numbers: correlated score vectors whose true F1 is known to the last digit.

A cohort has the number of positives that it has, but it is a sample: new patients are drawn with a
share of positives as uncertain as a sample of so many patients leaves it, as with real cohorts.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.judged_search import JudgedSearch

NUM_FOLDS = 5
NUM_TRIALS = 50
# Configurations are as good as published work on the source documents' question: AUC about 0.77,
# from 0.72 to 0.82.
MEAN_DISTANCE, DISTANCE_SPREAD = 1.05, 0.12
# Networks that are trained on the same images err on the same images, and on the same patients.
SHARE_OF_NOISE_SHARED, SHARE_OF_NOISE_OF_PATIENTS = 0.7, 0.5


class NormalTruth:
    """True F1 of trials whose scores are normal, a distance apart for the two classes."""

    def __init__(self, distances: NDArray[np.float64], share: float) -> None:
        """Take the distances (num_trials,), in deviations, and the share of positive images."""
        self._distances = distances
        self._share = share

    def f1(self, trial: int, threshold: float) -> float:
        """F1 of one trial at a threshold of the score."""
        return float(self._f1(self._distances[trial], _deviations(threshold)))

    def best_f1(self) -> float:
        """F1 of the best trial at its best threshold."""
        grid = np.linspace(-5, 6, 2201)[:, None]
        return float(self._f1(self._distances, grid).max())

    def _f1(
        self, distance: NDArray[np.float64] | float, at: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        found = self._share * stats.norm.sf(at - distance)
        false = (1 - self._share) * stats.norm.sf(at)
        return np.asarray(2 * found / (self._share + found + false))


def simulate_search(num_images: int, num_positive: int, seed: int) -> JudgedSearch:
    """Draw the out-of-fold scores (num_trials, num_images) of one search, in [0, 1]."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [num_positive, num_images - num_positive])
    positive = _patients(num_positive, rng)
    negative = positive.max() + 1 + _patients(num_images - num_positive, rng)
    patients = np.concatenate([positive, negative])
    distances = rng.normal(MEAN_DISTANCE, DISTANCE_SPREAD, NUM_TRIALS)
    shared = np.sqrt(SHARE_OF_NOISE_SHARED) * _noise(1, patients, rng)
    own = np.sqrt(1 - SHARE_OF_NOISE_SHARED) * _noise(NUM_TRIALS, patients, rng)
    deviations = distances[:, None] * labels + shared + own
    folds = np.empty(num_images, np.int64)
    splitter = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    for number, (_, valid) in enumerate(splitter.split(labels, labels, patients)):
        folds[valid] = number
    scores = (1 / (1 + np.exp(-deviations))).astype(np.float32)
    # of which share of positives the patients may come, given those that the cohort has
    num_patients = len(np.unique(patients))
    num_positive_patients = int(positive.max()) + 1
    share = rng.beta(num_positive_patients, num_patients - num_positive_patients)
    truth = NormalTruth(distances, share)
    return JudgedSearch(labels, patients, folds, scores, scores, truth)


def _patients(num_images: int, rng: Generator) -> NDArray[np.int64]:
    """A patient for each image, 1 to 4 images a patient as in the demo cohort."""
    sizes = 1 + rng.choice(4, num_images, p=[0.6, 0.25, 0.1, 0.05])
    return np.repeat(np.arange(num_images), sizes)[:num_images]


def _noise(num_trials: int, patients: NDArray[np.int64], rng: Generator) -> NDArray[np.float64]:
    of_patients = rng.normal(size=(num_trials, patients.max() + 1))[:, patients]
    of_images = rng.normal(size=(num_trials, len(patients)))
    share = SHARE_OF_NOISE_OF_PATIENTS
    return np.asarray(np.sqrt(share) * of_patients + np.sqrt(1 - share) * of_images)


def _deviations(score: float) -> float:
    """The normal number that a score was made of."""
    return float(np.log(score / (1 - score))) if score < 1 else np.inf
