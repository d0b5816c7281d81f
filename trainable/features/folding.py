"""Frozen stages as they are run: batch norm is part of the convolution before it."""

from torch import fx, nn
from torch.fx.experimental.optimization import fuse


def folded(stage: nn.Module) -> nn.Module:
    """A copy of a stage in evaluation mode that computes the same with fewer passes over the maps.

    In evaluation mode a batch norm is one factor and one addend for each channel, so they can go
    into the weights of the convolution. The numbers differ by float32 rounding alone.

    A stage without batch norm is returned as it is, and so is one whose path depends on what it
    is given, as that of some networks of timm does.
    """
    if not any(type(module) is nn.BatchNorm2d for module in stage.modules()):
        return stage
    try:
        return fuse(stage)
    except fx.proxy.TraceError:
        return stage
