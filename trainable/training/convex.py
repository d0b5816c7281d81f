"""Penalized logistic regressions on the same features, one per finding or one of all classes."""

import functools
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from trainable.errors import DivergedError

_MOST_ITERATIONS = 5000
_TOLERANCE = 1e-6  # at scikit-learn's own 1e-4, scores are still off by 0.01
_NO_GAIN = 64 * float(np.finfo(np.float64).eps)  # as scikit-learn has it
_ROUND = 40
"""Steps after which coordinates are taken anew: where the classes are parted well, the loss is less
curved in the end than at the start."""

_RIDGE = 1e-11
"""Added to the mean product of a row with itself: rows that depend on each other, as copies of an
image do, are then no exception. It moves a score by less than the solver's tolerance."""

_Array = NDArray[np.float64]


class Solution(NamedTuple):
    """What the solver finds.

    Attributes:
        coefficients: float64 (num_findings, num_features).
        intercepts: float64 (num_findings,).
        num_iterations: Iterations of the solver.
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
    counts: NDArray[np.int64] | None = None,
) -> Solution:
    """Fit one regression per finding to the rows whose label is known, or one of all classes.

    A solution lies in the span of the rows. With fewer rows than features it is found there: rows
    with the same products have the same solution, under the same penalty.

    One finding, and several classes, are scikit-learn's own fit. Several findings are fitted
    together, since it has no fit of several that would share what it makes of the rows.

    Args:
        features: Standardized, (num_rows, num_features).
        labels: (num_rows, num_findings).
        penalty: C, the inverse strength of the penalty.
        weights: Weight of a positive label per finding, or of each class.
        exclusive: Whether there are several classes.
        counts: (num_rows,), how often each row counts, at least once; None for once each.

    Raises:
        DivergedError: If the solver does not converge.
    """
    num_rows, num_features = features.shape
    rows, span = features, None
    if num_rows < num_features:
        products = features @ features.T
        products[np.diag_indices(num_rows)] += _RIDGE * num_features
        # a fifth of the time of a QR decomposition
        rows = span = np.asarray(np.linalg.cholesky(products), np.float64)
    if exclusive:
        found = _fit(rows, labels.argmax(axis=1), penalty, weights, counts)
    elif labels.shape[1] == 1:
        found = _fit(rows, labels[:, 0], penalty, (1.0, *weights), counts)
    else:
        found = _fit_together(_Losses(rows, labels, penalty, weights, counts), penalty)
    if span is None:
        return found
    coefficients = [
        features.T @ solve_triangular(span, one, trans="T", lower=True)
        for one in found.coefficients
    ]
    return found._replace(coefficients=np.stack(coefficients))


def _fit(
    rows: _Array,
    targets: NDArray[np.int64],
    penalty: float,
    weights: Sequence[float],
    counts: NDArray[np.int64] | None,
) -> Solution:
    """scikit-learn's regression for targets (num_rows,), whose classes have weights."""
    model = LogisticRegression(
        C=penalty,
        class_weight=dict(enumerate(weights)),
        tol=_TOLERANCE,
        max_iter=_MOST_ITERATIONS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(rows, targets, sample_weight=counts)
        except ConvergenceWarning as error:
            raise _not_converged(penalty) from error
    return Solution(np.asarray(model.coef_), np.asarray(model.intercept_), int(model.n_iter_[0]))


def _fit_together(losses: "_Losses", penalty: float) -> Solution:
    """A regression for each finding, all in one run of scikit-learn's solver."""
    parameters, num_iterations = losses.start, 0
    while num_iterations < _MOST_ITERATIONS:
        even = losses.evenly_curved(parameters)
        found = minimize(
            functools.partial(losses.in_coordinates, even),
            even.of(parameters).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ROUND, "maxls": 50, "gtol": _TOLERANCE, "ftol": _NO_GAIN},
        )
        parameters, num_iterations = even.parameters(found.x), num_iterations + int(found.nit)
        if found.success:
            return Solution(parameters[:-1].T, parameters[-1], num_iterations)
    raise _not_converged(penalty)


class _Losses:
    """The penalized losses of all findings on the same rows.

    A label that is unknown weighs nothing. Parameters are (num_features + 1, num_findings), the
    intercepts in the last row. A step is one product with the rows, for all findings.
    """

    def __init__(
        self,
        rows: _Array,
        labels: NDArray[np.int64],
        penalty: float,
        weights: Sequence[float],
        counts: NDArray[np.int64] | None,
    ) -> None:
        """Take rows (num_rows, num_features), and what `solve` does."""
        self._rows, self._positive = rows, labels == 1
        of_each = np.where(self._positive, weights, labels == 0)
        if counts is not None:
            of_each = of_each * counts[:, None]
        totals = of_each.sum(axis=0)
        self._of_each, self._ridges = of_each / totals, 1 / (penalty * totals)

    @property
    def start(self) -> _Array:
        """Parameters that give each row the share of the positives."""
        found = np.zeros((self._rows.shape[1] + 1, self._positive.shape[1]))
        found[-1] = logit((self._of_each * self._positive).sum(axis=0))
        return found

    def in_coordinates(self, even: "_Even", coordinates: _Array) -> tuple[float, _Array]:
        """Sum of the losses, and its gradient, in some coordinates."""
        parameters = even.parameters(coordinates)
        coefficients, logits = parameters[:-1], self._logits(parameters)
        values = self._of_each * (np.logaddexp(0, logits) - self._positive * logits)
        errors = self._of_each * (expit(logits) - self._positive)
        slopes = self._rows.T @ errors + self._ridges * coefficients
        value = float(values.sum() + (self._ridges * coefficients**2).sum() / 2)
        return value, even.gradient(np.vstack([slopes, errors.sum(axis=0)])).ravel()

    def evenly_curved(self, parameters: _Array) -> "_Even":
        """Coordinates for steps from some parameters on."""
        scores = expit(self._logits(parameters))
        curved = float((self._of_each * scores * (1 - scores)).sum(axis=0).mean())
        matrix = self._products * (curved / len(self._rows))
        matrix[np.diag_indices(len(matrix))] += self._ridges.mean()
        return _Even(np.asarray(np.linalg.cholesky(matrix), np.float64), math.sqrt(curved))

    @functools.cached_property
    def _products(self) -> _Array:
        return self._rows.T @ self._rows

    def _logits(self, parameters: _Array) -> _Array:
        return np.asarray(self._rows @ parameters[:-1] + parameters[-1])


class _Even(NamedTuple):
    """Coordinates in which the mean loss of the findings is curved about alike in all directions.

    The solver then takes tens of steps instead of hundreds.

    Attributes:
        factor: (num_features, num_features), lower triangle, whose product with itself is how the
            loss is curved.
        of_intercept: The same of the intercept.
    """

    factor: _Array
    of_intercept: float

    def of(self, parameters: _Array) -> _Array:
        """Coordinates of parameters."""
        return np.vstack([self.factor.T @ parameters[:-1], self.of_intercept * parameters[-1]])

    def parameters(self, coordinates: _Array) -> _Array:
        """Parameters of coordinates, which come in a row."""
        found = coordinates.reshape(len(self.factor) + 1, -1)
        rotated = solve_triangular(self.factor, found[:-1], trans="T", lower=True)
        return np.vstack([rotated, found[-1] / self.of_intercept])

    def gradient(self, slopes: _Array) -> _Array:
        """Slopes by the coordinates, of slopes by the parameters."""
        rotated = solve_triangular(self.factor, slopes[:-1], lower=True)
        return np.vstack([rotated, slopes[-1] / self.of_intercept])


def _not_converged(penalty: float) -> DivergedError:
    return DivergedError(f"the logistic head did not converge with C {penalty:g}; use a smaller C")
