"""The logistic head: a penalized regression on the features of a frozen body, fitted exactly.

Its problem is convex, so there is one solution, whatever the seed. With a few hundred images
it predicts as well as a network, or better, and fits in a fraction of a second.
"""

import time
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from trainable.config import TrialConfig
from trainable.heads.head import Head
from trainable.model.network import Network
from trainable.training.loop import DivergedError, EpochRecord, FoldData, Judged, judge

_MOST_ITERATIONS = 5000
_TOLERANCE = 1e-6  # at scikit-learn's own 1e-4, scores are still off by 0.01
_ROUNDING = 1e-5
"""Standard deviation of a feature, as a share of its size, that is only float32 rounding."""
_RIDGE = 1e-11
"""Added to the mean product of a row with itself: rows that depend on each other, as copies of an
image do, are then no exception. It moves a score by less than the solver's tolerance."""


class LogisticHead(Head):
    """One linear layer, fitted by scikit-learn's own solver to the features of a frozen body.

    Features are standardized by the training rows. The linear layer that is kept takes them as they
    are: mean and standard deviation are in its weights.
    """

    title = "logistic regression"
    is_exact = True
    is_seeded = False

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The linear layer."""
        return nn.Sequential(nn.Linear(num_features, 2))

    def fit(self, network: Network, data: FoldData, config: TrialConfig, seed: int) -> EpochRecord:
        """Fit the last layer of the head; the seed makes no difference.

        Returns:
            The record of one epoch; its steps are the iterations of the solver.

        Raises:
            DivergedError: If the features are not finite, or the solver does not converge.
        """
        start = time.perf_counter()
        layers = list(network.head)
        place = next(n for n, layer in enumerate(layers) if isinstance(layer, nn.Linear))
        linear = layers[place]
        assert isinstance(linear, nn.Linear)
        with torch.inference_mode():
            pooled = network.pooled(data.inputs(torch.from_numpy(data.train)))
            seen = nn.Sequential(*layers[:place])(pooled)
            features = seen.double().cpu().numpy()
        if not np.isfinite(features).all():
            raise DivergedError("the features of the body are not finite; use other weights")
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        # a constant feature has no weight
        deviation[deviation <= _ROUNDING * np.abs(mean)] = np.inf
        targets = data.targets(data.train).cpu().numpy()
        weights, bias, num_iterations = _solve((features - mean) / deviation, targets, config)
        weights = weights / deviation
        with torch.no_grad():
            # a softmax over (0, z) is the logistic function of z
            linear.weight.zero_()
            linear.bias.zero_()
            linear.weight[1] = torch.from_numpy(weights)
            linear.bias[1] = bias - mean @ weights
        with torch.inference_mode():
            train = Judged.by(linear(seen), data.targets(data.train), config.positive_weight)
        valid = judge(network, data, data.valid, config.batch_size)
        assert train.loss is not None
        assert train.accuracy is not None
        return EpochRecord(
            epoch=1,
            num_steps=num_iterations,
            train_loss=train.loss,
            train_accuracy=train.accuracy,
            valid_loss=valid.loss,
            valid_accuracy=valid.accuracy,
            scores=valid.scores,
            seconds=time.perf_counter() - start,
        )

    def describe(self, config: TrialConfig) -> str:
        """The inverse strength of the penalty."""
        return f"logistic C {config.C:.1e}"


def _solve(
    features: NDArray[np.float64], targets: NDArray[np.int64], config: TrialConfig
) -> tuple[NDArray[np.float64], float, int]:
    """Weights (num_features,) of standardized features, intercept and iterations.

    The solution lies in the span of the rows. With fewer rows than features it is found there: rows
    with the same products have the same solution, under the same penalty.
    """
    num_rows, num_features = features.shape
    seen: NDArray[Any] = features
    if num_rows < num_features:
        products = features @ features.T
        products[np.diag_indices(num_rows)] += _RIDGE * num_features
        seen = np.linalg.cholesky(products)  # a fifth of the time of a QR decomposition
    model = LogisticRegression(
        C=config.C,
        class_weight={0: 1.0, 1: config.positive_weight},
        tol=_TOLERANCE,
        max_iter=_MOST_ITERATIONS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(seen, targets)
        except ConvergenceWarning as error:
            raise DivergedError(
                f"the logistic head did not converge with C {config.C:g}; use a smaller C"
            ) from error
    found = model.coef_[0]
    if seen is not features:
        found = features.T @ solve_triangular(seen, found, trans="T", lower=True)
    return found, float(model.intercept_[0]), int(model.n_iter_[0])
