"""One network: a body cut from a backbone, partly frozen, and a head above it."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainable.backbones.table import FUSED, Pool, find_backbone
from trainable.config import TrialConfig
from trainable.images.batches import Batch, Batches, map_images, side_by_side
from trainable.model.light_augmentation import LightAugmentation


class ConcatPool(nn.Module):
    """Global maximum and average of each channel, concatenated, in fastai's order.

    Maps (batch, channels, height, width) to (batch, 2 * channels).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool the maps."""
        return torch.cat([maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1)


def pool_each(stages: Iterable[nn.Module], images: Tensor) -> Tensor:
    """Pooled features of each stage's maps side by side, (batch, sum of 2 * channels), float32."""
    pool, maps, pooled = ConcatPool(), images, []
    for stage in stages:
        maps = stage(maps)
        pooled.append(pool(maps.float()))
    return torch.cat(pooled, dim=1)


class PoolHalf(nn.Module):
    """One half of what `ConcatPool` gives: the maximum or the average of each channel.

    Maps (batch, views * 2 * sum of widths) to (batch, views * sum of widths).
    """

    def __init__(self, pool: Pool, widths: Sequence[int], views: int) -> None:
        """Keep `pool` of maps with `widths` channels, whose features stand side by side."""
        super().__init__()
        self.columns: Tensor
        self.pool = pool
        is_average = torch.tensor([False, True]).repeat(len(widths))
        of_view = is_average.repeat_interleave(torch.tensor(widths).repeat_interleave(2))
        kept = of_view if pool == "average" else ~of_view
        self.register_buffer("columns", kept.repeat(views).nonzero()[:, 0], persistent=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Keep one half."""
        return pooled.index_select(1, self.columns)

    def extra_repr(self) -> str:
        """Name of the half that is kept."""
        return self.pool


def fastai_head(
    num_features: int, layers: Sequence[int], dropout: float, num_classes: int = 2
) -> nn.Sequential:
    """Fastai's head above the pooled features, as its `create_head(lin_ftrs=layers)` builds it.

    Matrices start as fastai's do; the biases of batch norms at 0, where fastai has 1e-3.

    Args:
        num_features: Number of the features that the head takes in.
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
    num_features: int, layers: Sequence[int], dropout: float, num_classes: int = 2
) -> nn.Sequential:
    """Linear layers above the features, from PyTorch's own start, as torchvision's `fc` has it.

    Args:
        num_features: Number of the features that the head takes in.
        layers: Units of each hidden layer. Without any and without dropout, the head is the one
            linear layer that replaces torchvision's classifier.
        dropout: Probability before the last layer.
        num_classes: Number of outputs.
    """
    widths = [num_features, *layers, num_classes]
    *hidden, last = (nn.Linear(ins, outs) for ins, outs in itertools.pairwise(widths))
    modules: list[nn.Module] = []
    for linear in hidden:
        modules += [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*modules, nn.Dropout(dropout), last)


class Network(nn.Module):
    """A frozen part, a trained part, a pool and a head.

    Where the stages are fused, all are frozen. Each is pooled, and the head sees the features of
    all stages side by side.

    Of an examination of several views, each goes through both parts and the pool; the head sees
    their features side by side.

    What the frozen part computes for an image never changes, so it can be computed once and kept:
    `prefix` computes it, `suffix` goes on from it, and calling the network does both. The frozen
    part stays in evaluation mode, so that its batch-norm statistics never move (fastai freezes the
    weights, but lets the statistics drift).
    """

    def __init__(
        self,
        frozen: Sequence[nn.Module],
        trained: Sequence[nn.Module],
        head: nn.Sequential,
        *,
        fused: bool = False,
        augmented: bool = False,
    ) -> None:
        """Freeze the stages of `frozen`; those of `trained` follow on them."""
        super().__init__()
        self.fused = fused
        self.frozen = nn.Sequential(*frozen).requires_grad_(False).eval()
        self.augment = LightAugmentation() if augmented else None
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
        """Output of the frozen part for normalized images (batch, 3, size, size).

        Pooled features (batch, 2 * channels) if the whole body is frozen, of each stage in turn if
        the stages are fused; else activations (batch, channels, height, width) at the freeze
        boundary.
        """
        if self.fused:
            return pool_each(self.frozen, images)
        maps: Tensor = self.frozen(images)
        return maps if len(self.trained) else self.pool(maps)

    def pooled(self, inputs: Batch) -> Tensor:
        """Inputs of the head, from the output of `prefix`."""
        if self.augment:
            inputs = map_images(inputs, self.augment)
        if len(self.trained):
            inputs = map_images(inputs, lambda maps: self.pool(self.trained(maps)))
        return side_by_side(inputs)

    @property
    def trained_stages(self) -> list[nn.Module]:
        """The trained stages, in order of execution."""
        return list(self.trained)

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
    widths = find_backbone(config.backbone).widths(config.cut)
    num_features = sum(widths) * config.views
    half: list[nn.Module] = []
    if config.pool == "both":
        num_features *= 2
    else:
        half = [PoolHalf(config.pool, widths, config.views)]
    if config.head == "logistic":
        head = nn.Sequential(nn.Linear(num_features, 2))
    elif config.head == "plain":
        head = plain_head(num_features, config.head_layers, config.dropout)
    else:
        head = fastai_head(num_features, config.head_layers, config.dropout)
    return nn.Sequential(*half, *head)


def build_network(model: nn.Module, config: TrialConfig) -> Network:
    """Cut `model` and put a fresh head on it, as a configuration says.

    Args:
        model: the whole torchvision network of the config's backbone, with its weights; its
            parameters are taken, not copied.
        config: backbone, cut, trained stages and head.
    """
    head = fresh_head(config)
    body = find_backbone(config.backbone).body(model, config.cut)
    return Network(*split_body(body, config.unfreeze), head, fused=config.cut == FUSED)


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
