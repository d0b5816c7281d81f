"""Hospitals whose scores are simulated, so that the parts of a difference of two F1s are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from trainable.cohort.scored import Scored
from trainable.evaluation.transport import f1_of_rates

SEARCHED, THRESHOLD = 0.3, 0.35
"""Share of positives of the search, and a threshold near the best one there."""

_SPREAD = np.sqrt(2.0)  # so that what an image tells is the log of a likelihood ratio
_OF_PATIENT = np.sqrt(0.5)  # half of the variance is of the patient, half of the image
IMAGES = 2
"""Images of a patient."""


@dataclass(frozen=True)
class Hospital:
    """How a hospital differs from that of the search.

    Attributes:
        name: What it is called.
        prevalence: Share of positive patients.
        level: What is added to the log-odds of the scores.
        spread: What they are multiplied by before.
        sign: How far the images of positive and negative patients are apart; 1 as in the search.
    """

    name: str
    prevalence: float = SEARCHED
    level: float = 0.0
    spread: float = 1.0
    sign: float = 1.0

    def draw(self, num_patients: int, rng: np.random.Generator) -> Scored:
        """Labels and scores of patients, each with two images."""
        positive = rng.random(num_patients) < self.prevalence
        if positive.all() or not positive.any():  # no F1 is told then
            return self.draw(num_patients, rng)
        of_patient = np.where(positive, self.sign, -self.sign)
        of_patient += rng.normal(0, _SPREAD * _OF_PATIENT, num_patients)
        patients = np.repeat(np.arange(num_patients), IMAGES)
        told = of_patient[patients] + rng.normal(0, _SPREAD * _OF_PATIENT, len(patients))
        scores = expit(self.spread * (told + logit(SEARCHED)) + self.level)
        labels = positive[patients].astype(np.int64)
        return Scored(labels[:, None], patients, scores.astype(np.float32)[:, None])

    def true_parts(self) -> dict[str, float]:
        """What prevalence, calibration and all else change of the F1, by the true rates.

        A score means the same here and there where the odds are the same but for the prevalence.
        What an image tells here counts `sign` times as much.
        """
        then = logit(THRESHOLD) - logit(SEARCHED)
        as_it_is = (logit(THRESHOLD) - self.level) / self.spread - logit(SEARCHED)
        told = _f1(SEARCHED, then)
        expected = _f1(self.prevalence, then)
        same = _f1(self.prevalence, then / self.sign, self.sign)
        here = _f1(self.prevalence, as_it_is, self.sign)
        return {
            "prevalence": expected - told,
            "calibration": here - same,
            "not explained": same - expected,
        }


def _f1(prevalence: float, threshold: float, sign: float = 1.0) -> float:
    """The F1 where images that tell at least so much are predicted positive."""
    sensitivity: NDArray[np.float64] = norm.sf((threshold - sign) / _SPREAD)
    specificity: NDArray[np.float64] = norm.cdf((threshold + sign) / _SPREAD)
    return float(f1_of_rates(sensitivity, specificity, np.array(prevalence)))


SEARCH = Hospital("search")
HOSPITALS = (
    Hospital("nothing differs"),
    Hospital("prevalence 0.1", prevalence=0.1),
    Hospital("prevalence 0.6", prevalence=0.6),
    Hospital("scores too high by 1", level=1.0),
    Hospital("scores too low by 1", level=-1.0),
    Hospital("scores twice as extreme", spread=2.0),
    Hospital("prevalence 0.1, too high by 1", prevalence=0.1, level=1.0),
    Hospital("a sign half as clear", sign=0.5),
)
