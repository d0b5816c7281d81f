"""An inverse power law of a metric in the number of patients, and what it says beyond them.

A metric rises as a - b n^-c, with n patients (Cortes and others 1994, "Learning curves: asymptotic
values and rate of convergence"; Figueroa and others 2012, "Predicting sample size required for
classification performance"). With few points the rate c is hardly known, and a small one promises a
rise without end. So it is kept between 1/4 and 1: theory has rates of 1/2 and 1 (Amari, Fujita and
Shinomoto 1992, "Four types of learning curves").
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

_RATES = (0.25, 1.0)
_START = 0.5


class PowerLaw(NamedTuple):
    """The law a - b n^-c.

    Attributes:
        limit: a, what endlessly many patients would reach, at most 1.
        lack: b, what the patients of now lack of it, 0 or more.
        rate: c.
    """

    limit: float
    lack: float
    rate: float

    def at(self, size: float) -> float:
        """The metric with so many times the patients of now."""
        return float(self.limit - self.lack * size**-self.rate)


def fit_law(
    sizes: Sequence[float], values: NDArray[np.float64], counts: Sequence[float]
) -> PowerLaw:
    """The law that lies nearest to a metric at some sizes.

    Args:
        sizes: Patients, as multiples of those of now.
        values: (num_sizes,), the metric, at most 1.
        counts: What each size counts.
    """
    places, weights = np.array(sizes), np.sqrt(counts)

    def distances(law: NDArray[np.float64]) -> NDArray[np.float64]:
        limit, lack, rate = law
        return np.asarray(weights * (limit - lack * places**-rate - values))

    rise = max(float(values[-1] - values[0]), 1e-3)
    start = (min(float(values[-1]) + rise, 1 - 1e-6), min(rise, 1 - 1e-6), _START)
    low, high = (-1.0, 0.0, _RATES[0]), (1.0, 2.0, _RATES[1])
    found = least_squares(distances, np.clip(start, low, high), bounds=(low, high))
    return PowerLaw(*map(float, found.x))
