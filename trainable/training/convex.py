"""Penalized logistic regressions on the same features, one per finding or one of all classes."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from trainable.errors import DivergedError

_MOST_ITERATIONS = 5000
_TOLERANCE = 1e-6  # at scikit-learn's own 1e-4, scores are still off by 0.01
_RIDGE = 1e-11
"""Added to the mean product of a row with itself: rows that depend on each other, as copies of an
image do, are then no exception. It moves a score by less than the solver's tolerance."""

_Array = NDArray[np.float64]


class Solution(NamedTuple):
    """What scikit-learn's own solver finds.

    Attributes:
        coefficients: float64 (num_findings, num_features).
        intercepts: float64 (num_findings,).
        num_iterations: Iterations of all findings together.
    """

    coefficients: _Array
    intercepts: _Array
    num_iterations: int


def solve(
    features: _Array,
    labels: NDArray[np.int64],
    penalty: float,
    weights: Sequence[float],
    *,
    exclusive: bool,
) -> Solution:
    """Fit one regression per finding to the rows whose label is known, or one of all classes.

    A solution lies in the span of its rows. With fewer rows than features it is found there: rows
    with the same products have the same solution, under the same penalty. The products are computed
    once for all findings, and what is made of them once for findings that the same rows know.

    Args:
        features: Standardized, (num_rows, num_features).
        labels: (num_rows, num_findings).
        penalty: C, the inverse strength of the penalty.
        weights: Weight of a positive label per finding, or of each class.
        exclusive: Whether there are several classes.

    Raises:
        DivergedError: If the solver does not converge.
    """
    num_rows, num_features = features.shape
    products = _products(features) if num_rows < num_features else None
    columns = [labels.argmax(axis=1)] if exclusive else list(labels.T)
    alike = defaultdict(list)
    for number, column in enumerate(columns):
        alike[(column >= 0).tobytes()].append(number)
    models: dict[int, Solution] = {}
    for numbers in alike.values():
        rows = np.flatnonzero(columns[numbers[0]] >= 0)
        own = features if len(rows) == num_rows else features[rows]
        span = None
        if len(rows) < num_features:
            of_rows = _products(own) if products is None else products[np.ix_(rows, rows)]
            # a fifth of the time of a QR decomposition
            span = np.asarray(np.linalg.cholesky(of_rows), np.float64)
        for number in numbers:
            of_classes = dict(enumerate(weights if exclusive else (1.0, weights[number])))
            models[number] = _fit(own, span, columns[number][rows], penalty, of_classes)
    parts = [models[number] for number in range(len(columns))]
    coefficients, intercepts, num_iterations = zip(*parts, strict=True)
    return Solution(
        np.concatenate(coefficients), np.concatenate(intercepts), int(sum(num_iterations))
    )


def _products(features: _Array) -> _Array:
    found: _Array = features @ features.T
    found[np.diag_indices(len(found))] += _RIDGE * features.shape[1]
    return found


def _fit(
    features: _Array,
    span: _Array | None,
    targets: NDArray[np.int64],
    penalty: float,
    class_weight: dict[int, float],
) -> Solution:
    """One regression; `span` has the coordinates of the rows, where they are fewer."""
    model = LogisticRegression(
        C=penalty, class_weight=class_weight, tol=_TOLERANCE, max_iter=_MOST_ITERATIONS
    )
    seen: Any = features if span is None else span
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(seen, targets)
        except ConvergenceWarning as error:
            raise DivergedError(
                f"the logistic head did not converge with C {penalty:g}; use a smaller C"
            ) from error
    found = list(model.coef_)
    if span is not None:
        found = [features.T @ solve_triangular(span, one, trans="T", lower=True) for one in found]
    return Solution(np.stack(found), model.intercept_, int(model.n_iter_[0]))
