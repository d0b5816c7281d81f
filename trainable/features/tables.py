"""What the frozen part computes for each image: once for all trials that share it.

A trial whose body is all frozen learns from pooled features alone. One forward pass over the cohort
yields those of every cut of a backbone, and they serve each trial with that backbone, weights,
normalization and image size, whatever its cut, head, learning rate, fold or seed. A trial that
trains the last stages learns from the activations at the freeze boundary; these are larger, and
kept in half precision within a budget. Each augmented view of the positive images has tables of its
own, which serve every trial with that view.
"""

import json
import math
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from trainable.backbones.table import find_backbone
from trainable.features.body import Body
from trainable.files import digest
from trainable.images.batches import Images, Inputs, joined_rows, table_rows
from trainable.store import Array, ArrayStore

Source = Literal["features", "activations", "pixels"]
"""What a trial starts from: stored pooled features, stored activations at the freeze boundary, or
the pixels, with the frozen part run on every batch."""

FEATURES = "features-"
_ACTIVATIONS = "activations-"


def frozen_inputs(body: Body, store: ArrayStore, cache_bytes: int) -> tuple[Inputs, Source]:
    """Inputs of the trained part of a network, found in the store or computed.

    Args:
        body: Body of the trial.
        store: Store of features and activations.
        cache_bytes: Limit of all stored activations together. A trial whose activations do not
            fit starts from the pixels, as does one that trains the whole body.
    """
    if body.config.unfreeze == 0:
        return _stored_features(body, store), "features"
    stored = _stored_activations(body, store, cache_bytes) if body.frozen else None
    return (body.activations, "pixels") if stored is None else (stored, "activations")


def _stored_features(body: Body, store: ArrayStore) -> Inputs:
    backbone, cut = find_backbone(body.config.backbone), body.config.cut
    width = sum(2 * stage.width for stage in backbone.pooled_stages(cut))

    def compute(rows: Tensor) -> NDArray[np.float32]:
        features: NDArray[np.float32] = body.pooled(rows).cpu().numpy()
        return features

    columns = backbone.pooled_columns(cut)
    tables = _stored(body, store, features_key, (width,), np.float32, compute)
    of_cut = np.concatenate([table.take(columns, axis=1) for table in tables])
    return table_rows(of_cut, body.device)


def _stored_activations(body: Body, store: ArrayStore, cache_bytes: int) -> Inputs | None:
    """None where they do not fit into `cache_bytes`."""
    shape, tables = body.boundary_shape(), body.images.tables
    sizes = {activations_key(body, images): len(images.pixels) for images in tables}
    absent = {key: size for key, size in sizes.items() if store.get(key) is None}
    row_bytes = 2 * math.prod(shape)
    if sum(sizes.values()) * row_bytes > cache_bytes:
        return None
    num_bytes = sum(absent.values()) * row_bytes
    if absent and not store.make_room(_ACTIVATIONS, num_bytes, cache_bytes):
        return None

    def compute(rows: Tensor) -> NDArray[np.float16]:
        half = body.activations(rows).half()
        if not torch.isfinite(half).all():
            raise ValueError(
                f"activations of {body.config.backbone} at the freeze boundary exceed half "
                "precision (65504); start such trials from the pixels, with --cache-bytes 0"
            )
        activations: NDArray[np.float16] = half.cpu().numpy()
        return activations

    stored = _stored(body, store, activations_key, shape, np.float16, compute)
    take = joined_rows(stored, body.device)
    return lambda rows: take(rows).float().contiguous(memory_format=torch.channels_last)


def _stored(
    body: Body,
    store: ArrayStore,
    key: Callable[[Body, Images], str],
    row_shape: tuple[int, ...],
    dtype: DTypeLike,
    compute: Callable[[Tensor], Array],
) -> list[Array]:
    """Compute one array for each table of images."""
    stored, first = [], 0
    for images in body.images.tables:

        def of_part(part: slice, first: int = first) -> Array:
            return compute(torch.arange(first + part.start, first + part.stop))

        shape = (len(images.pixels), *row_shape)
        stored.append(store.get_or_compute(key(body, images), shape, dtype, of_part))
        first += len(images.pixels)
    return stored


def features_key(body: Body, images: Images) -> str:
    """Name of a table of pooled features: everything that can change one of its numbers."""
    stages = find_backbone(body.config.backbone).pooled_stages(body.config.cut)
    cuts = [stage.cut for stage in stages]
    return _key(FEATURES, body, images, cuts=cuts, pool="max, mean")


def activations_key(body: Body, images: Images) -> str:
    """Name of a table of activations: everything that can change one of its numbers."""
    layers = [name for stage in body.frozen for name, _ in stage.named_children()]
    return _key(_ACTIVATIONS, body, images, layers=layers)


def _key(prefix: str, body: Body, images: Images, **more: Any) -> str:
    config, statistics = body.config, images.statistics
    by_cohort = config.normalization == "cohort"
    parts = {
        "images": images.key,
        "backbone": config.backbone,
        "weights": body.weights.fingerprints[config.backbone],
        "normalization": config.normalization,
        "statistics": [statistics.mean, statistics.std] if by_cohort else None,
        "device": body.device.type,
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        **more,
    }
    content = digest(json.dumps(parts, sort_keys=True))
    return f"{prefix}{config.backbone}-{config.normalization}-{content}"
