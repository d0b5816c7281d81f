"""The network of a configuration, with a fresh head."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from trainable.backbones.backbone import FUSED
from trainable.backbones.layout import STATISTICS
from trainable.config import TrialConfig
from trainable.device import place
from trainable.heads.find import find_head
from trainable.model.covariate_encoder import ColumnCode
from trainable.model.network import KeptStatistics, Network, TrueOdds, split_body


def num_image_features(config: TrialConfig) -> int:
    """Number of the features that a head sees of the images of an examination."""
    widths = config.backbone.network.widths(config.cut)
    return sum(widths) * config.views * len(STATISTICS[config.pool])


def fresh_head(config: TrialConfig, num_columns: int = 0) -> nn.Sequential:
    """The head of a configuration, newly initialised.

    Args:
        config: The configuration.
        num_columns: Numbers of covariates behind the features.
    """
    backbone = config.backbone.network
    widths, layout, kept = backbone.widths(config.cut), backbone.layout, STATISTICS[config.pool]
    num_features = num_image_features(config) + num_columns
    chosen: list[nn.Module] = []
    if kept != set(layout.statistics):
        chosen = [KeptStatistics(config.pool, widths, config.views, layout, num_columns)]
    layers = [*chosen, *find_head(config.head).build(num_features, config)]
    if config.odds_factor != 1:
        layers.append(TrueOdds(config.odds_factor))
    return nn.Sequential(*layers)


def build_network(model: nn.Module, config: TrialConfig, num_columns: int = 0) -> Network:
    """Cut `model` and put a fresh head on it, as a configuration says.

    Args:
        model: The whole network of the config's backbone, with its weights; its parameters are
            taken, not copied.
        config: backbone, cut, trained stages and head.
        num_columns: Numbers of covariates that the head sees.
    """
    head = fresh_head(config, num_columns)
    backbone = config.backbone.network
    body = split_body(backbone.body(model, config.cut), config.unfreeze)
    return Network(*body, head, layout=backbone.layout, fused=config.cut == FUSED)


def new_network(
    config: TrialConfig,
    frozen: Sequence[nn.Module],
    trained: Sequence[nn.Module],
    seed: int,
    device: torch.device,
    code: ColumnCode | None = None,
) -> Network:
    """A network with a fresh head, ready to train; the same seed gives the same head.

    Args:
        config: Configuration of the trial.
        frozen: Stages that the network takes as they are; none for a network that starts from what
            they computed (`suffix`).
        trained: Stages that the network takes a copy of.
        seed: Seed of the head.
        device: Device of the network.
        code: What turns covariates into numbers for the head.
    """
    torch.manual_seed(seed)
    head = fresh_head(config, code.width if code else 0)
    trained = [copy.deepcopy(stage).requires_grad_() for stage in trained]
    network = Network(
        frozen,
        trained,
        head,
        layout=config.backbone.network.layout,
        fused=config.cut == FUSED,
        augmented=config.augment != "none",
    )
    network.column_code = code
    return place(network, device)
