"""What the logits of a network mean: the one place that turns them into scores.

One finding has two logits, as fastai's networks and torchvision's have; several labels have one
each, and several classes one each.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

_LEAST = 1e-12  # keeps the loss of a batch without a known label at 0


class Outputs(ABC):
    """The logits of a network for what is asked; labels and scores are those of `Findings`.

    Attributes:
        num_findings: Number of findings, or of classes.
        num_logits: Number of logits.
        exclusive: Whether there are several classes, of which one holds.
    """

    exclusive: ClassVar[bool] = False

    def __init__(self, num_findings: int, num_logits: int) -> None:
        """Say how many there are."""
        self.num_findings, self.num_logits = num_findings, num_logits

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """Probabilities (batch, num_findings) of logits (batch, num_logits)."""

    @abstractmethod
    def log_odds(self, logits: Tensor, finding: int) -> Tensor:
        """Logarithm of the odds (batch,) of the scores of one finding, or one class."""

    @abstractmethod
    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Mean loss, a scalar.

        Args:
            logits: (batch, num_logits).
            labels: int64 (batch, num_findings); those that are unknown are left out.
            weights: Weight of a positive label per finding, where a negative one weighs 1, or
                of each class, (num_findings,).
        """

    @abstractmethod
    def num_right(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """How many calls are right at a threshold of 0.5, and how many can be judged, scalars.

        Of several classes the one with the highest score is called.
        """

    def added(self, factors: Sequence[float]) -> Tensor:
        """What is added to the logits where odds are multiplied by factors, (num_logits,).

        Args:
            factors: One per finding, or per class.
        """
        logs = torch.tensor(factors, dtype=torch.float64).log().float()
        return functional.pad(logs, (self.num_logits - self.num_findings, 0))


class OneFinding(Outputs):
    """The logits of the negative and the positive class, under a softmax."""

    def __init__(self) -> None:
        """There is one."""
        super().__init__(1, 2)

    def scores(self, logits: Tensor) -> Tensor:
        """Share of the positive class."""
        return logits.softmax(dim=1)[:, 1:]

    def log_odds(self, logits: Tensor, finding: int) -> Tensor:
        """Difference of the two; `finding` is 0."""
        return logits[:, 1] - logits[:, 0]

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy of the two classes."""
        of_both = functional.pad(weights, (1, 0), value=1.0)
        return functional.cross_entropy(logits, labels[:, 0], weight=of_both)

    def num_right(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of all."""
        right = (logits[:, 1] >= logits[:, 0]) == labels[:, 0]
        return right.sum(), torch.tensor(len(labels))


class SeveralFindings(Outputs):
    """A logit per finding, each under the logistic function."""

    def __init__(self, num_findings: int) -> None:
        """Findings that can stand together."""
        super().__init__(num_findings, num_findings)

    def scores(self, logits: Tensor) -> Tensor:
        """Each by itself."""
        return logits.sigmoid()

    def log_odds(self, logits: Tensor, finding: int) -> Tensor:
        """The logit."""
        return logits[:, finding]

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Binary cross-entropy of all labels that are known."""
        positive, known = labels == 1, (labels >= 0).to(weights.dtype)
        of_each = torch.where(positive, weights, known)
        total = functional.binary_cross_entropy_with_logits(
            logits, positive.to(logits.dtype), of_each, reduction="sum"
        )
        return total / of_each.sum().clamp(min=_LEAST)

    def num_right(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of all labels that are known."""
        return ((logits >= 0) == labels).sum(), (labels >= 0).sum()


class SeveralClasses(Outputs):
    """A logit per class, under one softmax."""

    exclusive = True

    def __init__(self, num_classes: int) -> None:
        """Classes of which one holds."""
        super().__init__(num_classes, num_classes)

    def scores(self, logits: Tensor) -> Tensor:
        """Shares, which sum to 1."""
        return logits.softmax(dim=1)

    def log_odds(self, logits: Tensor, finding: int) -> Tensor:
        """Against all other classes together."""
        others = torch.arange(self.num_logits, device=logits.device) != finding
        return logits[:, finding] - logits[:, others].logsumexp(dim=1)

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy of the classes."""
        of_each = weights.expand(self.num_logits)
        return functional.cross_entropy(logits, labels.argmax(dim=1), weight=of_each)

    def num_right(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of all examinations, each of which has a class."""
        right = logits.argmax(dim=1) == labels.argmax(dim=1)
        return right.sum(), torch.tensor(len(labels))


ONE_FINDING = OneFinding()


def outputs_of(num_findings: int, *, exclusive: bool) -> Outputs:
    """The logits of a network that is asked for so many findings, or classes."""
    if exclusive:
        return SeveralClasses(num_findings)
    return ONE_FINDING if num_findings == 1 else SeveralFindings(num_findings)
