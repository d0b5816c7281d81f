"""What the frozen part computes for each image: once for all trials that share it.

A trial whose body is all frozen learns from pooled features alone. One forward pass over the cohort
yields those of every cut of a backbone, and they serve each trial with that backbone, weights,
normalization and image size, whatever its cut, head, learning rate, fold or seed. A trial that
trains the last stages learns from the activations at the freeze boundary; these are larger, and
kept in half precision within a budget.
"""

import hashlib
import json
import math
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.backbones import find_backbone
from trainable.body import Body
from trainable.inputs import Inputs, table_rows
from trainable.store import ArrayStore

Source = Literal["features", "activations", "pixels"]
"""What a trial starts from: stored pooled features, stored activations at the freeze boundary, or
the pixels, with the frozen part run on every batch."""

FEATURES = "features-"
_ACTIVATIONS = "activations-"


def frozen_inputs(body: Body, store: ArrayStore, cache_bytes: int) -> tuple[Inputs, Source]:
    """What the trained part of a network takes in, found in the store or computed.

    Args:
        body: of the trial.
        store: of features and activations.
        cache_bytes: that all stored activations may take together. A trial whose activations do not
            fit starts from the pixels, as does one that trains the whole body.
    """
    if body.config.unfreeze == 0:
        return _stored_features(body, store), "features"
    stored = _stored_activations(body, store, cache_bytes) if body.frozen else None
    return (body.activations, "pixels") if stored is None else (stored, "activations")


def _stored_features(body: Body, store: ArrayStore) -> Inputs:
    backbone = find_backbone(body.config.backbone)
    widths = [2 * stage.width for stage in backbone.stages]

    def compute(rows: slice) -> NDArray[np.float32]:
        features: NDArray[np.float32] = body.pooled(_numbers(rows)).cpu().numpy()
        return features

    shape = (len(body.images.pixels), sum(widths))
    table = store.get_or_compute(features_key(body), shape, np.float32, compute)
    last = backbone.cuts.index(body.config.cut)
    start = sum(widths[:last])
    return table_rows(np.ascontiguousarray(table[:, start : start + widths[last]]), body.device)


def _stored_activations(body: Body, store: ArrayStore, cache_bytes: int) -> Inputs | None:
    """None where they do not fit into `cache_bytes`."""
    key = activations_key(body)
    found = store.get(key)
    shape = (len(body.images.pixels), *body.boundary_shape()) if found is None else found.shape
    num_bytes = 2 * math.prod(shape)
    if num_bytes > cache_bytes:
        return None
    if found is None and not store.make_room(_ACTIVATIONS, num_bytes, cache_bytes):
        return None

    def compute(rows: slice) -> NDArray[np.float16]:
        half = body.activations(_numbers(rows)).half()
        if not torch.isfinite(half).all():
            raise ValueError(
                f"activations of {body.config.backbone} at the freeze boundary exceed half "
                "precision (65504); start such trials from the pixels, with --cache-bytes 0"
            )
        activations: NDArray[np.float16] = half.cpu().numpy()
        return activations

    take = table_rows(store.get_or_compute(key, shape, np.float16, compute), body.device)
    return lambda rows: take(rows).float().contiguous(memory_format=torch.channels_last)


def _numbers(rows: slice) -> torch.Tensor:
    return torch.arange(rows.start, rows.stop)


def features_key(body: Body) -> str:
    """Name of a table of pooled features: everything that can change one of its numbers."""
    return _key(FEATURES, body, cuts=find_backbone(body.config.backbone).cuts, pool="max, mean")


def activations_key(body: Body) -> str:
    """Name of a table of activations: everything that can change one of its numbers."""
    layers = [name for stage in body.frozen for name, _ in stage.named_children()]
    return _key(_ACTIVATIONS, body, layers=layers)


def _key(prefix: str, body: Body, **more: Any) -> str:
    config, statistics = body.config, body.images.statistics
    by_cohort = config.normalization == "cohort"
    parts = {
        "images": body.images.key,
        "backbone": config.backbone,
        "weights": body.weights.fingerprints[config.backbone],
        "normalization": config.normalization,
        "statistics": [statistics.mean, statistics.std] if by_cohort else None,
        "device": body.device.type,
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        **more,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return f"{prefix}{config.backbone}-{config.normalization}-{digest}"
