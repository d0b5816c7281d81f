"""What the tests of the networks share: tiny images, tiny configurations, networks to look at."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainable.backbones import BACKBONES
from trainable.config import TrialConfig
from trainable.inputs import Images
from trainable.model import Network, fastai_head, plain_head
from trainable.pixels import PixelStatistics
from trainable.weights import find_weights

CPU = torch.device("cpu")
RANDOM = find_weights("none")
STATISTICS = PixelStatistics(0.4, 0.2)


def random_model(name: str) -> nn.Module:
    """The whole torchvision network, its weights random, its batch norms fitted to noise.

    Fresh statistics (mean 0, variance 1) would hide a batch norm that is left out, and let the
    differences between images fade away in a deep network.
    """
    model = RANDOM.build(name).eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.no_grad():
        model(noise(4, 64) / 10)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
    return model


def noise(count: int, size: int, seed: int = 0) -> Tensor:
    """Normalized images (count, 3, size, size), far apart."""
    return 10 * torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def random_pixels(count: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Random squares of random grey, eight a side, each image in a contrast of its own."""
    rng = np.random.default_rng(seed)
    contrast = rng.uniform(0.2, 1, (count, 1, 1))
    squares: NDArray[np.uint8] = (rng.integers(0, 256, (count, 8, 8)) * contrast).astype(np.uint8)
    return squares.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def random_images(count: int, size: int = 32, seed: int = 0) -> Images:
    """Random images as a trial sees them."""
    return Images(random_pixels(count, size, seed), STATISTICS, f"squares-{count}-{size}-{seed}")


def tiny_config(**changes: Any) -> TrialConfig:
    """A trial of a second: few units, small images."""
    fields = {"head_layers": (8,), "image_size": 32, "batch_size": 8, "epochs": 2, "dropout": 0.0}
    return TrialConfig(**{**fields, **changes})


def head_only(num_features: int, config: TrialConfig, seed: int = 0) -> Network:
    """A network without a body, that learns from features."""
    torch.manual_seed(seed)
    layers, dropout = config.head_layers, config.dropout
    if config.head == "plain":
        return Network([], [], plain_head(num_features, num_features // 2, layers, dropout))
    return Network([], [], fastai_head(num_features, layers, dropout))


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def same_state(module: nn.Module, before: dict[str, Tensor]) -> bool:
    """Whether nothing has changed since the snapshot, to the bit."""
    return all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def save_state(folder: Path, file: str, state: object) -> Path:
    """Write a file as PyTorch would, in a folder of weights."""
    folder.mkdir(exist_ok=True)
    torch.save(state, folder / file)
    return folder / file


ALL_CUTS = [(name, cut) for name, backbone in BACKBONES.items() for cut in backbone.cuts]
"""Every backbone with every one of its cut points that are searched."""

FURTHER_CUTS = [
    ("squeezenet1_0", "classifier"),
    ("squeezenet1_1", "classifier"),
    ("densenet121", "features.denseblock1.denselayer1"),
    ("densenet121", "features.denseblock2.denselayer6"),
    ("densenet121", "features.denseblock4.denselayer5"),
]
"""One of each kind of the further cut points."""
