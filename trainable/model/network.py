"""One network: a body cut from a backbone, partly frozen, and a head above it."""

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainable.backbones.table import find_backbone
from trainable.config import TrialConfig
from trainable.images.batches import Batch, Batches, map_images, side_by_side


class ConcatPool(nn.Module):
    """Global maximum and average of each channel, concatenated, in fastai's order.

    Maps (batch, channels, height, width) to (batch, 2 * channels).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool the maps."""
        return torch.cat([maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1)


class AveragePool(nn.Module):
    """The second half of what `ConcatPool` gives: the average of each channel alone.

    Maps (batch, 2 * channels) to (batch, channels); of several such halves in a row, as several
    views of one examination give, each keeps its second.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, pooled: Tensor) -> Tensor:
        """Keep the averages."""
        halves: Tensor = pooled.unflatten(1, (-1, 2, self.channels))
        return halves[:, :, 1].flatten(1)


def fastai_head(
    num_features: int, layers: Sequence[int], dropout: float, num_classes: int = 2
) -> nn.Sequential:
    """Fastai's head above the pooled features, as its `create_head(lin_ftrs=layers)` builds it.

    Matrices start as fastai's do; the biases of batch norms at 0, where fastai has 1e-3.

    Args:
        num_features: pooled features, twice the channels of the body.
        layers: units of each hidden layer.
        dropout: probability before the last layer; half of it before each hidden layer.
        num_classes: outputs.
    """
    widths = [num_features, *layers, num_classes]
    linears = [nn.Linear(ins, outs, bias=False) for ins, outs in itertools.pairwise(widths)]
    for linear in linears:
        nn.init.kaiming_normal_(linear.weight)
    modules: list[nn.Module] = []
    for linear in linears[:-1]:
        norm = nn.BatchNorm1d(linear.in_features)
        modules += [norm, nn.Dropout(dropout / 2), linear, nn.ReLU(inplace=True)]
    norm = nn.BatchNorm1d(linears[-1].in_features)
    return nn.Sequential(*modules, norm, nn.Dropout(dropout), linears[-1])


def plain_head(
    num_features: int, channels: int, layers: Sequence[int], dropout: float, num_classes: int = 2
) -> nn.Sequential:
    """Linear layers above the averages, from PyTorch's own start, as torchvision's `fc` has it.

    Args:
        num_features: pooled features, of which the averages are half.
        channels: of the body.
        layers: units of each hidden layer; without any and without dropout, the head is the one
            linear layer that replaces torchvision's classifier.
        dropout: probability before the last layer.
        num_classes: outputs.
    """
    widths = [num_features // 2, *layers, num_classes]
    *hidden, last = (nn.Linear(ins, outs) for ins, outs in itertools.pairwise(widths))
    modules: list[nn.Module] = [AveragePool(channels)]
    for linear in hidden:
        modules += [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*modules, nn.Dropout(dropout), last)


class Network(nn.Module):
    """A frozen part, a trained part, a pool and a head.

    Of an examination of several views, each goes through both parts and the pool; the head sees
    their features side by side.

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

    def pooled(self, inputs: Batch) -> Tensor:
        """What the head takes, from what `prefix` computed of the images of a batch."""
        if len(self.trained):
            inputs = map_images(inputs, lambda maps: self.pool(self.trained(maps)))
        return side_by_side(inputs)

    def suffix(self, inputs: Batch) -> Tensor:
        """Logits (batch, 2) from what `prefix` computed of the images of a batch."""
        logits: Tensor = self.head(self.pooled(inputs))
        return logits

    def logits(self, inputs: Batches, rows: Tensor) -> Tensor:
        """Logits (len(rows), 2) of rows of a trial; `inputs` maps them to what `prefix` gives."""
        return self.suffix(inputs(rows))

    def forward(self, images: Batch) -> Tensor:
        """Logits (batch, 2) of normalized images (..., 3, size, size)."""
        return self.suffix(map_images(images, self.prefix))


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
    num_features = 2 * width * config.views
    if config.head == "plain":
        return plain_head(num_features, width, config.head_layers, config.dropout)
    return fastai_head(num_features, config.head_layers, config.dropout)


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
