"""Scores become probabilities that mean what they say, in the order that they have.

A score becomes the probability whose log-odds are

    a ln(score) - b ln(1 - score) + c, with a and b above 0

(beta calibration: Kull, Silva Filho and Flach 2017, "Beyond sigmoids"). Where a = b, that is
Platt's logistic regression on the log-odds (1999, "Probabilistic outputs for support vector
machines").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNCHANGED = 1.0, 1.0, 0.0
"""Coefficients a, b and c of scores that stay as they are."""

_LEAST = float(np.finfo(np.float32).tiny)
_SMALLEST = 1e-6


def bounded(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The same scores, none of them 0 or 1, which have no log-odds."""
    return np.asarray(scores.astype(np.float64).clip(_SMALLEST, 1 - _SMALLEST))


@dataclass(frozen=True)
class CalibrationFigures:
    """How far scores mean what they say, on patients who had no part in any choice.

    Attributes:
        log_loss: Mean negative log-likelihood of the labels, in nats.
        slope: 1 if scores are spread rightly; below 1 if they are too extreme.
        intercept: 0 if the scores are right on average; above 0 if they are too low.
    """

    log_loss: float
    slope: float
    intercept: float


@dataclass(frozen=True)
class Recalibration:
    """What makes probabilities of the raw scores of one finding.

    Attributes:
        of_score: Factor a of ln(score), above 0.
        of_rest: Factor b of -ln(1 - score), above 0.
        shift: c.
        raw_threshold: Threshold of the raw scores.
        before: How far the raw scores meant what they say.
        after: The same of the probabilities.
    """

    of_score: float
    of_rest: float
    shift: float
    raw_threshold: float
    before: CalibrationFigures
    after: CalibrationFigures

    def __post_init__(self) -> None:
        if min(self.of_score, self.of_rest) <= 0:
            raise ValueError("a recalibration must rise: of_score and of_rest must be above 0")

    @property
    def kind(self) -> str:
        """What it is called."""
        return "Platt" if self.of_score == self.of_rest else "beta calibration"

    @property
    def threshold(self) -> float:
        """The probability of the raw threshold, in single precision; above 1 as that may be."""
        raw = torch.tensor(self.raw_threshold)
        if not 0 < raw <= 1:
            return float(raw)
        return float(self._mapped(raw).clamp(min=_LEAST))

    def probabilities(self, scores: Tensor, threshold: float) -> Tensor:
        """Probabilities of raw scores, float32 of any shape; NaN of NaN.

        Rounded, two scores on both sides of the threshold may have one probability. So one that is
        below the raw threshold gets a probability below the threshold, and no other does: what is
        predicted is the same for every score.

        Args:
            scores: Raw scores, in [0, 1].
            threshold: `threshold`, as the machine has computed it that chose the winner.
        """
        found = self._mapped(scores)
        below = float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))
        reaches = scores >= self.raw_threshold
        return torch.where(reaches, found.clamp(min=threshold), found.clamp(max=below))

    def _mapped(self, scores: Tensor) -> Tensor:
        return log_odds(scores, self.of_score, self.of_rest, self.shift).sigmoid().float()


def log_odds(
    scores: Tensor, of_score: float | Tensor, of_rest: float | Tensor, shift: float | Tensor
) -> Tensor:
    """Log-odds, float64, of the probabilities of raw scores in [0, 1], by a, b and c."""
    exact = scores.double()
    return of_score * exact.log() - of_rest * (1 - exact).log() + shift


Recalibrations = Sequence[Recalibration | None]
"""One per finding, None where the raw scores stay; empty where all stay."""


def recalibrated_tensor(
    scores: Tensor, recalibrations: Recalibrations, thresholds: Sequence[float]
) -> Tensor:
    """Probabilities (..., num_findings) of raw scores of that shape, see `Recalibration`."""
    if not any(recalibrations):
        return scores
    columns = zip(scores.unbind(-1), recalibrations, thresholds, strict=True)
    return torch.stack(
        [raw if one is None else one.probabilities(raw, at) for raw, one, at in columns], dim=-1
    )


def recalibrated(
    scores: NDArray[np.float32], recalibrations: Recalibrations, thresholds: Sequence[float]
) -> NDArray[np.float32]:
    """The same of an array."""
    if not any(recalibrations):
        return scores
    found = recalibrated_tensor(torch.tensor(scores), recalibrations, thresholds)
    return np.asarray(found.numpy())
