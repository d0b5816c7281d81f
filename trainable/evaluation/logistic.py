"""Logistic regressions of a few terms under many weightings at once, as resamples ask for them.

Newton's steps, halved where need be. scikit-learn takes one weighting at a time, and no targets
between 0 and 1.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

_MOST_STEPS, _ENOUGH = 50, 1e-8
_MOST_CELLS = 1_000_000  # images times weightings at a time, to bound the memory

Values = NDArray[np.float64]


def logistic(
    terms: Values,
    targets: NDArray[np.floating] | NDArray[np.integer],
    weights: NDArray[np.floating],
    offset: Values | float = 0.0,
) -> Values:
    """Coefficients (num_weightings, num_terms) of logistic regressions without a penalty.

    Where a term parts the classes, its factor has no end; it is then that of the last step.

    Args:
        terms: (num_images, num_terms); the last one is 1, for a shift.
        targets: (num_images,), shares of positives, 0 to 1.
        weights: (num_weightings, num_images), how often each counts.
        offset: (num_images,), log-odds to begin with.
    """
    num_parts = math.ceil(weights.size / _MOST_CELLS)
    parts = np.array_split(weights, num_parts)
    return np.concatenate([_fit(terms, targets, one, offset) for one in parts])


def _fit(
    terms: Values,
    targets: NDArray[np.floating] | NDArray[np.integer],
    weights: NDArray[np.floating],
    offset: Values | float,
) -> Values:
    def log_odds(coefficients: Values) -> Values:
        return np.asarray(offset + coefficients @ terms.T)

    def log_likelihood(coefficients: Values) -> Values:
        logits = log_odds(coefficients)
        return np.asarray((weights * (targets * logits - np.logaddexp(0, logits))).sum(axis=1))

    start = np.append(np.ones(terms.shape[1] - 1), 0.0)
    coefficients = np.tile(start, (len(weights), 1))
    value = log_likelihood(coefficients)
    for _ in range(_MOST_STEPS):
        shares = special.expit(log_odds(coefficients))
        slope = (weights * (targets - shares)) @ terms
        curvature = (terms.T * (weights * shares * (1 - shares))[:, None]) @ terms
        inverse = np.linalg.pinv(curvature, hermitian=True)
        step = (inverse @ slope[..., None])[..., 0]
        new = log_likelihood(coefficients + step)
        while (too_far := (new < value) & (np.abs(step).max(axis=1) > _ENOUGH)).any():
            step[too_far] /= 2
            new = log_likelihood(coefficients + step)
        step[new < value] = 0
        coefficients, value = coefficients + step, np.maximum(new, value)
        if np.abs(step).max() <= _ENOUGH:
            break
    return coefficients
