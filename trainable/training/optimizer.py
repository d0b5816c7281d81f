"""How a gradient moves the weights: the optimizer over what is trained, and its learning rate."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from trainable.config import TrialConfig
from trainable.model.network import Network

_STEP_FACTOR = 0.1


def build_optimizer(network: Network, config: TrialConfig) -> torch.optim.Optimizer:
    """The config's optimizer over what is trained, with decay on weight matrices and filters only.

    The learning rate falls from stage to stage: lower stages are more general and need less change
    (Howard and Ruder 2018, "Universal language model fine-tuning for text classification").

    Args:
        network: Network to train; its frozen part is left out.
        config: Optimizer, momentum, learning rate, stage decay and weight decay.
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
