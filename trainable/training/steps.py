"""Gradient steps: how an epoch is cut into them, how many are enough, and what one changes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from trainable.config import TrialConfig
from trainable.errors import num_of
from trainable.model.network import Network

FEW_STEPS = 30
"""A note warns of fewer gradient steps than this. A head of half a million fresh weights has then
hardly left its start: AdamW moves a weight by about the learning rate per step."""


def epoch_batches(train: NDArray[np.int64], batch_size: int) -> Sequence[Tensor]:
    """All rows once, in a random order; the last batch may be smaller, but never of one image.

    Batch norm cannot learn from one image, so that one joins the batch before it.
    """
    batches = list(torch.from_numpy(train)[torch.randperm(len(train))].split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def num_steps(num_images: int, batch_size: int, epochs: int) -> int:
    """Gradient steps of a training run over `num_images` images."""
    batches = math.ceil(num_images / batch_size)
    if batches > 1 and num_images % batch_size == 1:
        batches -= 1
    return batches * epochs


def epochs_for(steps: int, num_images: int, batch_size: int) -> int:
    """How many epochs over `num_images` images take about as many gradient steps; at least 1.

    A model that is retrained on all images stops where the scored models did. With the same number
    of epochs it would take a quarter more steps, and be another model than the scored ones.

    >>> epochs_for(60, 458, 32)
    4
    """
    return max(1, round(steps / num_steps(num_images, batch_size, 1)))


def few_steps_note(num_images: int, batch_size: int, epochs: int) -> str | None:
    """A sentence for the user if training takes too few gradient steps to learn, else None."""
    steps = num_steps(num_images, batch_size, epochs)
    if steps >= FEW_STEPS:
        return None
    return (
        f"only {num_of(steps, 'gradient step')} per fold ({num_images} training images, batches of "
        f"{batch_size}, {num_of(epochs, 'epoch')}): too few to learn much; use a smaller "
        "--batch-size or "
        "more --epochs"
    )


_STEP_FACTOR = 0.1


def build_optimizer(network: Network, config: TrialConfig) -> torch.optim.Optimizer:
    """The config's optimizer over what is trained, with decay on weight matrices and filters only.

    The learning rate falls from stage to stage: lower stages are more general and need less change
    (Howard and Ruder 2018, "Universal language model fine-tuning for text classification").
    """
    groups: list[dict[str, Any]] = []
    for depth, part in enumerate([network.head, *reversed(network.trained_stages)]):
        rate = config.learning_rate * config.stage_decay**depth
        groups += _groups(part, rate, config.weight_decay)
    # one kernel per step: on a CPU a third of the time of the loop over parameters
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, fused=True
        )
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=True)


def _groups(part: nn.Module, rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters of a part that are decayed, and those of norms and biases, which are not."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for module in part.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_plain = name == "bias" or not isinstance(module, nn.Linear | nn.Conv2d)
            (plain if is_plain else decayed).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "lr": rate}
        for parameters, decay in ((decayed, weight_decay), (plain, 0.0))
        if parameters
    ]


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrialConfig, steps_per_epoch: int
) -> LRScheduler | None:
    """Schedule that changes the learning rate after each gradient step; None if it is constant.

    One cycle (Smith 2018, "A disciplined approach to neural network hyper-parameters") is fastai's
    way of training: up to the config's learning rate and down to nothing, momentum the other way.
    """
    if config.schedule == "constant":
        return None
    if config.schedule == "step":
        return StepLR(optimizer, config.step_epochs * steps_per_epoch, _STEP_FACTOR)
    return OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=config.epochs * steps_per_epoch,
        # plain SGD has the momentum that was asked for
        cycle_momentum=config.optimizer != "sgd",
    )
