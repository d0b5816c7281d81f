"""The kinds of heads: how each is built, fitted and described."""

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainable.config import HeadName, TrialConfig
from trainable.errors import DivergedError
from trainable.model.bounded_linear import LARGEST, BoundedLinear
from trainable.model.network import Network
from trainable.training.convex import solve
from trainable.training.loop import EpochRecord, FoldData, Judged, fit, judge

_ROUNDING = 1e-5
"""Standard deviation of a feature, as a share of its size, that is only float32 rounding."""


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
    def build(self, num_features: int, config: TrialConfig, num_logits: int = 2) -> nn.Sequential:
        """The layers between the pooled features and the logits, newly initialised."""

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

    def build(self, num_features: int, config: TrialConfig, num_logits: int = 2) -> nn.Sequential:
        """The dropout of the configuration is before the last layer; half of it before others."""
        widths = [num_features, *config.head_layers, num_logits]
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

    def build(self, num_features: int, config: TrialConfig, num_logits: int = 2) -> nn.Sequential:
        """The dropout of the configuration is before the last layer."""
        widths = [num_features, *config.head_layers, num_logits]
        *hidden, last = (nn.Linear(ins, outs) for ins, outs in itertools.pairwise(widths))
        modules: list[nn.Module] = []
        for linear in hidden:
            modules += [linear, nn.ReLU(inplace=True)]
        return nn.Sequential(*modules, nn.Dropout(config.dropout), last)


class LogisticHead(Head):
    """One linear layer, fitted by scikit-learn's own solver to the features of a frozen body.

    Features are standardized by all training rows, and kept within 10 standard deviations. The
    linear layer takes them as they are: mean and standard deviation are in its weights and bounds.
    """

    title = "logistic regression"
    is_exact = True
    is_seeded = False

    def build(self, num_features: int, config: TrialConfig, num_logits: int = 2) -> nn.Sequential:
        """The linear layer."""
        return nn.Sequential(BoundedLinear(num_features, num_logits))

    def fit(self, network: Network, data: FoldData, config: TrialConfig, seed: int) -> EpochRecord:
        """Fit the last layer of the head; the seed makes no difference.

        A row that is there several times, as in a resample, is one row that counts as often.

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
        rows, counts = np.unique(data.train, return_counts=True)
        with torch.inference_mode():
            pooled = network.pooled(data.inputs(torch.from_numpy(rows)))
            seen = nn.Sequential(*layers[:place])(pooled)
            features = seen.cpu().double().numpy()  # twice the bytes, so not on a GPU
        several = None if counts.max() == 1 else counts
        mean, deviation = _standardize(features, several)
        labels, outputs = data.targets(rows), network.outputs
        found = solve(
            features, labels.cpu().numpy(), config.C, data.weights, exclusive=outputs.exclusive,
            counts=several,
        )  # fmt: skip
        weights = found.coefficients / deviation
        with torch.no_grad():
            linear.weight.zero_()
            linear.bias.zero_()
            # of one finding, the second: a softmax over (0, z) is the logistic function of z
            first = outputs.num_logits - outputs.num_findings
            linear.weight[first:] = torch.from_numpy(weights)
            linear.bias[first:] = torch.from_numpy(found.intercepts - weights @ mean)
            reach = LARGEST * np.where(np.isfinite(deviation), deviation, 0.0)
            linear.low.copy_(torch.from_numpy(mean - reach))
            linear.high.copy_(torch.from_numpy(mean + reach))
        with torch.inference_mode():
            again = torch.from_numpy(counts).to(labels.device)
            logits, targets = (each.repeat_interleave(again, 0) for each in (linear(seen), labels))
            train = Judged.by(outputs, logits, targets, data.weights)
        valid = judge(network, data, data.valid, config.batch_size)
        assert train.loss is not None
        assert train.accuracy is not None
        return EpochRecord(
            epoch=1,
            num_steps=found.num_iterations,
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


def _standardize(
    features: NDArray[np.float64], counts: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardize features in place.

    Args:
        features: (num_rows, num_features).
        counts: (num_rows,), how often each row counts; None for once each.

    Returns:
        Mean and standard deviation (num_features,); that of a constant feature is infinite, so that
        it has no weight.

    Raises:
        DivergedError: If the features are not finite.
    """
    if not np.isfinite(features).all():
        raise DivergedError("the features of the body are not finite; use other weights")
    if counts is None:
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        features -= mean
    else:
        mean = np.average(features, axis=0, weights=counts)
        features -= mean
        deviation = np.sqrt(np.average(features**2, axis=0, weights=counts))
    deviation[deviation <= _ROUNDING * np.abs(mean)] = np.inf
    features /= deviation
    np.clip(features, -LARGEST, LARGEST, out=features)
    return mean, deviation


HEADS: Mapping[HeadName, Head] = {
    "fastai": FastaiHead(),
    "plain": PlainHead(),
    "logistic": LogisticHead(),
}
"""The kinds of heads by their names."""
