"""One network: a body cut from a backbone, partly frozen, and fastai's head above it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainable.backbones import find_backbone


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

    def __init__(self, stages: list[nn.Sequential], num_trained: int, head: nn.Sequential) -> None:
        """Freeze all but the last `num_trained` of `stages`."""
        super().__init__()
        boundary = len(stages) - num_trained
        self.frozen = nn.Sequential(*stages[:boundary]).requires_grad_(False).eval()
        self.trained = nn.Sequential(*stages[boundary:])
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
        return prefix_output(self.frozen, self.pool, images, pooled=len(self.trained) == 0)

    def suffix(self, inputs: Tensor) -> Tensor:
        """Logits (batch, 2) from what `prefix` computed."""
        if len(self.trained):
            inputs = self.pool(self.trained(inputs))
        logits: Tensor = self.head(inputs)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, 2) of normalized images (batch, 3, size, size)."""
        return self.suffix(self.prefix(images))


def prefix_output(frozen: nn.Module, pool: nn.Module, images: Tensor, *, pooled: bool) -> Tensor:
    """Run the frozen stages, and pool if nothing of the body is trained above them."""
    maps: Tensor = frozen(images)
    output: Tensor = pool(maps) if pooled else maps
    return output


def build_network(
    model: nn.Module | None,
    backbone: str,
    cut: str,
    unfreeze: int,
    head_width: int,
    dropout: float,
) -> Network:
    """Cut `model` (a whole torchvision network) and put a fresh head on it.

    Args:
        model: the network of `backbone`, with its weights; its parameters are taken, not copied.
            None leaves the body out: the network then goes on from pooled features (`suffix`).
        backbone: name in the table of backbones.
        cut: name of the cut point that the body ends at.
        unfreeze: how many of the body's last stages are trained, 0 to all.
        head_width: units of the head's hidden layer.
        dropout: of the head.
    """
    table = find_backbone(backbone)
    width = table.stages_until(cut)[-1].width
    head = build_head(2 * width, head_width, dropout)
    return Network(table.body(model, cut) if model else [], unfreeze, head)


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
