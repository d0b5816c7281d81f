"""A linear layer that no feature can push farther than training has shown."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST = 10.0
"""Standard deviations of the training rows within which a standardized number is kept.

A channel that is nearly dead in training has a tiny deviation, and a new image could give it a
number of any size. Of 100 rows, none can be farther from their mean than 10 deviations.
"""


class BoundedLinear(nn.Linear):
    """A linear layer of features that are kept between two bounds each; at first without bounds."""

    low: Tensor
    high: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("low", torch.full((in_features,), -torch.inf))
        self.register_buffer("high", torch.full((in_features,), torch.inf))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, out_features) of features (batch, in_features)."""
        return functional.linear(self.kept(features), self.weight, self.bias)

    def kept(self, features: Tensor) -> Tensor:
        """The features within their bounds."""
        return torch.clamp(features, self.low, self.high)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # a model of an earlier version has no bounds
        state_dict.setdefault(f"{prefix}low", torch.full_like(self.low, -torch.inf))
        state_dict.setdefault(f"{prefix}high", torch.full_like(self.high, torch.inf))
        super()._load_from_state_dict(state_dict, prefix, *args)
