"""One network: a body cut from a backbone, partly frozen, and fastai's head above it."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainable.backbones import find_backbone
from trainable.config import TrialConfig


class ConcatPool(nn.Module):
    """Global maximum and average of each channel, concatenated, in fastai's order.

    Maps (batch, channels, height, width) to (batch, 2 * channels).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool the maps."""
        return torch.cat([maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1)


def build_head(
    num_features: int, width: int, dropout: float, num_classes: int = 2
) -> nn.Sequential:
    """Fastai's head above the pooled features, initialised as fastai does.

    Args:
        num_features: pooled features, twice the channels of the body.
        width: units of the hidden layer.
        dropout: probability before the last layer; half of it before the hidden layer.
        num_classes: outputs.
    """
    hidden = nn.Linear(num_features, width, bias=False)
    last = nn.Linear(width, num_classes, bias=False)
    for linear in (hidden, last):
        nn.init.kaiming_normal_(linear.weight)
    return nn.Sequential(
        nn.BatchNorm1d(num_features),
        nn.Dropout(dropout / 2),
        hidden,
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(width),
        nn.Dropout(dropout),
        last,
    )


class Network(nn.Module):
    """A frozen part, a trained part, a pool and a head.

    What the frozen part computes for an image never changes, so it can be computed once and kept:
    `prefix` computes it, `suffix` goes on from it, and calling the network does both. The frozen
    part stays in evaluation mode, so that its batch-norm statistics never move (fastai freezes the
    weights, but lets the statistics drift).
    """

    def __init__(
        self, frozen: Sequence[nn.Module], trained: Sequence[nn.Module], head: nn.Sequential
    ) -> None:
        """Freeze the stages of `frozen`; those of `trained` follow on them."""
        super().__init__()
        self.frozen = nn.Sequential(*frozen).requires_grad_(False).eval()
        self.trained = nn.Sequential(*trained)
        self.pool = ConcatPool()
        self.head = head

    def train(self, mode: bool = True) -> "Network":
        """Set the mode of the trained part and the head; the frozen part stays in evaluation."""
        super().train(mode)
        self.frozen.eval()
        return self

    @torch.no_grad()
    def prefix(self, images: Tensor) -> Tensor:
        """What the frozen part makes of normalized images (batch, 3, size, size).

        Pooled features (batch, 2 * channels) if the whole body is frozen, else activations
        (batch, channels, height, width) at the freeze boundary.
        """
        maps: Tensor = self.frozen(images)
        return maps if len(self.trained) else self.pool(maps)

    def pooled(self, inputs: Tensor) -> Tensor:
        """What the head takes, from what `prefix` computed."""
        return self.pool(self.trained(inputs)) if len(self.trained) else inputs

    def suffix(self, inputs: Tensor) -> Tensor:
        """Logits (batch, 2) from what `prefix` computed."""
        logits: Tensor = self.head(self.pooled(inputs))
        return logits

    def logits(self, inputs: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Logits (len(rows), 2) of rows of a cohort; `inputs` maps them to what `prefix` gives."""
        return self.suffix(inputs(rows))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, 2) of normalized images (batch, 3, size, size)."""
        return self.suffix(self.prefix(images))


def split_body(
    stages: Sequence[nn.Sequential], num_trained: int
) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    """The frozen and the trained stages of a body.

    Layers without parameters at the start of the trained stages join the frozen ones: nothing is
    learnt in them, and a pooling layer leaves a quarter of the activations to be kept.
    """
    boundary = len(stages) - num_trained
    frozen, trained = list(stages[:boundary]), list(stages[boundary:])
    if frozen and trained:
        layers = list(trained[0].named_children())
        fixed = list(itertools.takewhile(lambda item: not list(item[1].parameters()), layers))
        frozen[-1] = nn.Sequential(OrderedDict([*frozen[-1].named_children(), *fixed]))
        trained[0] = nn.Sequential(OrderedDict(layers[len(fixed) :]))
    return frozen, trained


def fresh_head(config: TrialConfig) -> nn.Sequential:
    """The head of a configuration, newly initialised."""
    width = find_backbone(config.backbone).stages_until(config.cut)[-1].width
    return build_head(2 * width, config.head_width, config.dropout)


def build_network(model: nn.Module, config: TrialConfig) -> Network:
    """Cut `model` and put a fresh head on it, as a configuration says.

    Args:
        model: the whole torchvision network of the config's backbone, with its weights; its
            parameters are taken, not copied.
        config: backbone, cut, trained stages and head.
    """
    head = fresh_head(config)
    body = find_backbone(config.backbone).body(model, config.cut)
    return Network(*split_body(body, config.unfreeze), head)


@dataclass(frozen=True)
class ParameterCount:
    """Numbers of parameters: all, those that training changes, and the rest."""

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """Parameters that keep the weights that they came with."""
        return self.total - self.trainable


def count_parameters(module: nn.Module) -> ParameterCount:
    """Count the parameters of a module."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return ParameterCount(sum(n for n, _ in sizes), sum(n for n, grad in sizes if grad))
