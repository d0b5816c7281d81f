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
from scipy.optimize import minimize_scalar, nnls

_RATES = (0.25, 1.0)


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
    """The law that lies nearest to a metric at some sizes, by least squares.

    At a given rate the law is linear in the other two, which are found under their bounds at once.

    Args:
        sizes: Patients, as multiples of those of now.
        values: (num_sizes,), the metric, at most 1.
        counts: What each size counts.
    """
    places, weights = np.array(sizes), np.sqrt(counts)

    def at(rate: float) -> tuple[NDArray[np.float64], float]:
        """What is lacking of 1 in the end, and now beside that, neither below 0; the distance."""
        terms = np.stack([np.ones(len(places)), places**-rate], axis=1)
        return nnls(weights[:, None] * terms, weights * (1 - values))  # type: ignore[no-any-return]

    found = minimize_scalar(
        lambda rate: at(rate)[1], bounds=_RATES, method="bounded", options={"xatol": 1e-3}
    )
    lacking, lack = at(found.x)[0].tolist()
    return PowerLaw(1 - lacking, lack, float(found.x))
