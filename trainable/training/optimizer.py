"""How a gradient moves the weights: the optimizer over what is trained, and its learning rate."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from trainable.config import TrialConfig
from trainable.model.network import Network

_STEP_FACTOR = 0.1


def build_optimizer(network: Network, config: TrialConfig) -> torch.optim.Optimizer:
    """The config's optimizer over what is trained, with decay on weight matrices and filters only.

    Args:
        network: its frozen part is left out.
        config: optimizer, momentum, learning rate and weight decay.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    norms_and_biases = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias" or not isinstance(module, nn.Linear | nn.Conv2d)
    }
    plain = [parameter for parameter in trained if id(parameter) in norms_and_biases]
    decayed = [parameter for parameter in trained if id(parameter) not in norms_and_biases]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    # one kernel a step: on a CPU a third of the time of the loop over parameters
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, fused=True
        )
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrialConfig, steps_an_epoch: int
) -> LRScheduler | None:
    """What changes the learning rate after each gradient step; None if it is constant.

    One cycle (Smith 2018, "A disciplined approach to neural network hyper-parameters") is fastai's
    way of training: up to the config's learning rate and down to nothing, momentum the other way.
    """
    if config.schedule == "constant":
        return None
    if config.schedule == "step":
        return StepLR(optimizer, config.step_epochs * steps_an_epoch, _STEP_FACTOR)
    return OneCycleLR(
        optimizer,
        config.learning_rate,
        total_steps=config.epochs * steps_an_epoch,
        # plain SGD has the momentum that was asked for
        cycle_momentum=config.optimizer != "sgd",
    )
