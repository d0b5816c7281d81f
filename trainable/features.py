"""What the frozen part computes for each image: once for all trials that share it, or as needed.

A trial whose body is all frozen learns from pooled features alone. One forward pass over the cohort
yields those of every cut of a backbone, and they serve each trial with that backbone, weights,
normalization and image size, whatever its cut, head, learning rate, fold or seed.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainable.backbones import find_backbone
from trainable.config import TrialConfig
from trainable.device import autocast, memory_format, place
from trainable.model import ConcatPool
from trainable.normalization import NormalizationName, normalize
from trainable.pixels import PixelStatistics
from trainable.store import ArrayStore
from trainable.weights import Weights

Inputs = Callable[[Tensor], Tensor]
"""Maps rows of the cohort, int64 (batch,), to what the trained part of a network takes in."""

_FORWARD_BATCH = 32


@dataclass(frozen=True)
class Images:
    """Decoded images with what normalizing them takes.

    Attributes:
        pixels: uint8 of shape (num_images, size, size).
        statistics: of the labelled cohort's pixels, also where `pixels` are other images.
        key: names the content, order, size and decoding of `pixels`.
    """

    pixels: NDArray[np.uint8]
    statistics: PixelStatistics
    key: str

    def batch(
        self,
        rows: NDArray[np.int64] | slice,
        name: NormalizationName,
        device: torch.device,
    ) -> Tensor:
        """Normalized images (batch, 3, size, size) on `device`."""
        # the array is mapped read-only: a copy of the batch is what PyTorch may have
        pixels = torch.from_numpy(np.array(self.pixels[rows])).to(device, non_blocking=True)
        normalized = normalize(pixels, name, self.statistics)
        return normalized.contiguous(memory_format=memory_format(device))


def stored_features(
    images: Images,
    config: TrialConfig,
    weights: Weights,
    store: ArrayStore,
    device: torch.device,
) -> Inputs:
    """Pooled features of the config's cut, found in the store or computed for all cuts at once."""
    backbone = find_backbone(config.backbone)
    widths = [2 * stage.width for stage in backbone.stages]
    last = backbone.cuts.index(config.cut)
    first_column = sum(widths[:last])

    def compute() -> NDArray[np.float32]:
        stages = backbone.body(weights.build(config.backbone), backbone.cuts[-1])
        return pooled_features(images, stages, config.normalization, device)

    key = features_key(images, config, weights, device)
    table = store.get_or_compute(key, compute)
    columns = np.array(table[:, first_column : first_column + widths[last]])
    features = torch.from_numpy(columns).to(device)
    return lambda rows: features[rows]


def features_key(
    images: Images, config: TrialConfig, weights: Weights, device: torch.device
) -> str:
    """Name of a table of pooled features: everything that can change one of its numbers."""
    parts = {
        "images": images.key,
        "backbone": config.backbone,
        "cuts": find_backbone(config.backbone).cuts,
        "weights": weights.fingerprints[config.backbone],
        "normalization": config.normalization,
        "statistics": [images.statistics.mean, images.statistics.std]
        if config.normalization == "cohort"
        else None,
        "device": device.type,
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "pool": "max, mean",
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return f"features-{config.backbone}-{config.normalization}-{digest}"


@torch.inference_mode()
def pooled_features(
    images: Images,
    stages: list[nn.Sequential],
    normalization: NormalizationName,
    device: torch.device,
) -> NDArray[np.float32]:
    """Run a frozen body over all images once.

    Returns:
        float32 of shape (num_images, sum of 2 * width over the stages): for each stage in order,
        the maxima and the means of its output channels.
    """
    body = place(nn.Sequential(*stages).eval(), device)
    pool = ConcatPool()
    batches = []
    for start in range(0, len(images.pixels), _FORWARD_BATCH):
        maps = images.batch(slice(start, start + _FORWARD_BATCH), normalization, device)
        pooled = []
        with autocast(device):
            for stage in body:
                maps = stage(maps)
                pooled.append(pool(maps.float()))
        batches.append(torch.cat(pooled, dim=1).float().cpu().numpy())
    return np.concatenate(batches)


def computed_inputs(
    images: Images,
    prefix: Callable[[Tensor], Tensor],
    normalization: NormalizationName,
    device: torch.device,
) -> Inputs:
    """The plain path: run the frozen part on each batch, every time that it is asked for."""

    def compute(rows: Tensor) -> Tensor:
        batch = images.batch(rows.cpu().numpy(), normalization, device)
        with autocast(device):
            return prefix(batch)

    return compute
