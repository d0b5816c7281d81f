"""The kinds of heads: how each is built, fitted and described."""

import itertools
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from trainable.config import HeadName, TrialConfig
from trainable.model.bounded_linear import LARGEST, BoundedLinear
from trainable.model.network import Network
from trainable.training.loop import DivergedError, EpochRecord, FoldData, Judged, fit, judge

_MOST_ITERATIONS = 5000
_TOLERANCE = 1e-6  # at scikit-learn's own 1e-4, scores are still off by 0.01
_ROUNDING = 1e-5
"""Standard deviation of a feature, as a share of its size, that is only float32 rounding."""
_RIDGE = 1e-11
"""Added to the mean product of a row with itself: rows that depend on each other, as copies of an
image do, are then no exception. It moves a score by less than the solver's tolerance."""


class Head(ABC):
    """A kind of head; as it stands here, one that gradient steps train.

    Attributes:
        title: What a paper calls it.
        is_exact: Whether the log-odds are a sum over the places of an image, and not only nearly so
            around the image.
        is_seeded: Whether another seed gives another network.
    """

    title: ClassVar[str]
    is_exact: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    @abstractmethod
    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The layers between the pooled features and the two logits, newly initialised."""

    def fit(self, network: Network, data: FoldData, config: TrialConfig, seed: int) -> EpochRecord:
        """Fit the head, and train the stages of the body that are not frozen.

        Args:
            network: On its device; changed in place.
            data: Rows to train on, and those to score.
            config: Configuration of the trial.
            seed: Seed of the order of the images and of dropout.

        Returns:
            The record of the last epoch.

        Raises:
            DivergedError: If the loss or the scores are no numbers.
        """
        *_, last = fit(network, data, config, seed)
        return last

    def describe(self, config: TrialConfig) -> str:
        """The setting that matters most, in a few characters."""
        return f"lr {config.learning_rate:.1e}"


class FastaiHead(Head):
    """The head that fastai's `create_head(lin_ftrs=config.head_layers)` builds.

    Matrices start as fastai's do; the biases of batch norms at 0, where fastai has 1e-3.
    """

    title = "small network with batch norm and dropout"

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The dropout of the configuration is before the last layer; half of it before others."""
        widths = [num_features, *config.head_layers, 2]
        linears = [nn.Linear(ins, outs, bias=False) for ins, outs in itertools.pairwise(widths)]
        for linear in linears:
            nn.init.kaiming_normal_(linear.weight)
        modules: list[nn.Module] = []
        for linear in linears[:-1]:
            norm = nn.BatchNorm1d(linear.in_features)
            modules += [norm, nn.Dropout(config.dropout / 2), linear, nn.ReLU(inplace=True)]
        norm = nn.BatchNorm1d(linears[-1].in_features)
        return nn.Sequential(*modules, norm, nn.Dropout(config.dropout), linears[-1])


class PlainHead(Head):
    """Without hidden layers and dropout, the layer that replaces torchvision's classifier."""

    title = "small network with dropout"

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The dropout of the configuration is before the last layer."""
        widths = [num_features, *config.head_layers, 2]
        *hidden, last = (nn.Linear(ins, outs) for ins, outs in itertools.pairwise(widths))
        modules: list[nn.Module] = []
        for linear in hidden:
            modules += [linear, nn.ReLU(inplace=True)]
        return nn.Sequential(*modules, nn.Dropout(config.dropout), last)


class LogisticHead(Head):
    """One linear layer, fitted by scikit-learn's own solver to the features of a frozen body.

    Features are standardized by the training rows, and kept within 10 standard deviations. The
    linear layer takes them as they are: mean and standard deviation are in its weights and bounds.
    """

    title = "logistic regression"
    is_exact = True
    is_seeded = False

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The linear layer."""
        return nn.Sequential(BoundedLinear(num_features, 2))

    def fit(self, network: Network, data: FoldData, config: TrialConfig, seed: int) -> EpochRecord:
        """Fit the last layer of the head; the seed makes no difference.

        Returns:
            The record of one epoch; its steps are the iterations of the solver.

        Raises:
            DivergedError: If the features are not finite, or the solver does not converge.
        """
        start = time.perf_counter()
        layers = list(network.head)
        place = next(n for n, layer in enumerate(layers) if isinstance(layer, BoundedLinear))
        linear = layers[place]
        assert isinstance(linear, BoundedLinear)
        with torch.inference_mode():
            pooled = network.pooled(data.inputs(torch.from_numpy(data.train)))
            seen = nn.Sequential(*layers[:place])(pooled)
            features = seen.cpu().double().numpy()  # twice the bytes, so not on a GPU
        if not np.isfinite(features).all():
            raise DivergedError("the features of the body are not finite; use other weights")
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        # a constant feature has no weight
        deviation[deviation <= _ROUNDING * np.abs(mean)] = np.inf
        targets = data.targets(data.train).cpu().numpy()
        features -= mean
        features /= deviation
        np.clip(features, -LARGEST, LARGEST, out=features)
        weights, bias, num_iterations = _solve(features, targets, config.C, data.positive_weight)
        weights = weights / deviation
        with torch.no_grad():
            # a softmax over (0, z) is the logistic function of z
            linear.weight.zero_()
            linear.bias.zero_()
            linear.weight[1] = torch.from_numpy(weights)
            linear.bias[1] = bias - mean @ weights
            reach = LARGEST * np.where(np.isfinite(deviation), deviation, 0.0)
            linear.low.copy_(torch.from_numpy(mean - reach))
            linear.high.copy_(torch.from_numpy(mean + reach))
        with torch.inference_mode():
            train = Judged.by(linear(seen), data.targets(data.train), data.positive_weight)
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
    features: NDArray[np.float64], targets: NDArray[np.int64], penalty: float, weight: float
) -> tuple[NDArray[np.float64], float, int]:
    """Weights (num_features,) of standardized features, intercept and iterations.

    `penalty` is C, the inverse strength of the penalty, and `weight` that of a positive row.

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
        C=penalty,
        class_weight={0: 1.0, 1: weight},
        tol=_TOLERANCE,
        max_iter=_MOST_ITERATIONS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(seen, targets)
        except ConvergenceWarning as error:
            raise DivergedError(
                f"the logistic head did not converge with C {penalty:g}; use a smaller C"
            ) from error
    found = model.coef_[0]
    if seen is not features:
        found = features.T @ solve_triangular(seen, found, trans="T", lower=True)
    return found, float(model.intercept_[0]), int(model.n_iter_[0])


HEADS: Mapping[HeadName, Head] = {
    "fastai": FastaiHead(),
    "plain": PlainHead(),
    "logistic": LogisticHead(),
}
"""The kinds of heads by their names."""
