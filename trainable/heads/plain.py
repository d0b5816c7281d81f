"""The plain head: linear layers above the features, from PyTorch's own start."""

import itertools

from torch import nn

from trainable.config import TrialConfig
from trainable.heads.head import Head


class PlainHead(Head):
    """Without hidden layers and dropout, the layer that replaces torchvision's classifier."""

    title = "small network with dropout"

    def build(self, num_features: int, config: TrialConfig) -> nn.Sequential:
        """The dropout of the configuration is before the last layer."""
        widths = [num_features, *config.head_layers, 2]
        *hidden, last = (nn.Linear(ins, outs) for ins, outs in itertools.pairwise(widths))
        modules: list[nn.Module] = []
        for linear in hidden:
            modules += [linear, nn.ReLU(inplace=True)]
        return nn.Sequential(*modules, nn.Dropout(config.dropout), last)
