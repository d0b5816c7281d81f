"""Fastai's head: batch norm, dropout and a linear layer without bias for each layer."""

import itertools

from torch import nn

from trainable.config import TrialConfig
from trainable.heads.head import Head


class FastaiHead(Head):
    """The head that fastai's `create_head(lin_ftrs=config.head_layers)` builds.

    Matrices start as fastai's do; the biases of batch norms at 0, where fastai has 1e-3.
    """

    title = "small network with batch norm and dropout"

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The dropout of the configuration is before the last layer; half of it before others."""
        widths = [num_features, *config.head_layers, 2]
        linears = [nn.Linear(ins, outs, bias=False) for ins, outs in itertools.pairwise(widths)]
        for linear in linears:
            nn.init.kaiming_normal_(linear.weight)
        modules: list[nn.Module] = []
        for linear in linears[:-1]:
            norm = nn.BatchNorm1d(linear.in_features)
            modules += [norm, nn.Dropout(config.dropout / 2), linear, nn.ReLU(inplace=True)]
        norm = nn.BatchNorm1d(linears[-1].in_features)
        return nn.Sequential(*modules, norm, nn.Dropout(config.dropout), linears[-1])
