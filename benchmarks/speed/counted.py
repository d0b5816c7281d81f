"""Run `cxr-predict`, and say at its end how often an image went into the body of a network.

It is run as a file, so that the code is that of whatever checkout is in `PYTHONPATH`.
"""

import atexit
import sys

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

_CHANNELS = 3
"""Channels of images; only the first layer of a body takes in so few."""

num_passed = 0


def count(module: nn.Module, taken: tuple[Tensor, ...]) -> None:
    """Count the images of a batch before the first layer of a body."""
    global num_passed
    if isinstance(module, nn.Conv2d) and module.in_channels == _CHANNELS:
        num_passed += len(taken[0])


if __name__ == "__main__":
    register_module_forward_pre_hook(count)
    atexit.register(lambda: print(f"passed: {num_passed}", file=sys.stderr))
    from analysis.__main__ import predict

    predict()
