"""What the frozen part computes for each image: once for all trials that share it.

A trial whose body is all frozen learns from pooled features alone. One forward pass over the cohort
yields those of every cut of a backbone, and they serve each trial with that backbone, weights,
normalization and image size, whatever its cut, head, learning rate, fold or seed. A trial that
trains the last stages learns from the activations at the freeze boundary; these are larger, and
kept in half precision within a budget. Each augmented view of the positive images has tables of its
own, which serve every trial with that view.

A row is of one image, and depends on no other: images are run in batches of one size, the last of
them filled up, since the last bits can depend on the size of a batch. So an image that any table
has of the same computation is not run again.
"""

import json
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from trainable.backbones.layout import Statistic, by_place
from trainable.device import precision
from trainable.features.body import Body
from trainable.files import digest
from trainable.images.batches import Inputs
from trainable.images.loading import Images, joined_rows
from trainable.store.array_file import Array
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Compute, Rows
from trainable.store.table_name import TableName

Source = Literal["features", "activations", "pixels"]
"""What a trial starts from: stored pooled features, stored activations at the freeze boundary, or
the pixels, with the frozen part run on every batch."""

Found = TypeVar("Found", Array, Array | None)

FEATURE_RULE = "normalized, frozen stages in evaluation mode, full batches, norms folded, v4"
"""Part of the name of every table: change it whenever a number in a table could change.

A test fails when the features of a known network have changed and the rule has not.
"""

FEATURES = "features-"
_ACTIVATIONS = "activations-"


def frozen_inputs(body: Body, store: ArrayStore) -> tuple[Inputs, Source]:
    """Inputs of the trained part of a network, found in the store or computed.

    A trial whose activations do not fit into the budget of the store starts from the pixels, as
    does one that trains the whole body.
    """
    if body.config.unfreeze == 0:
        return _stored_features(body, store), "features"
    stored = _stored_activations(body, store) if body.frozen else None
    return (body.activations, "pixels") if stored is None else (stored, "activations")


def _stored_features(body: Body, store: ArrayStore) -> Inputs:
    backbone, cut, pool = body.config.backbone.network, body.config.cut, body.config.pool
    stored = _kept(body, store, by_place([pool]))

    def compute(rows: Tensor) -> NDArray[np.float32]:
        features: NDArray[np.float32] = body.pooled(rows, stored).cpu().numpy()
        return features

    name = partial(features_name, stored=stored)
    shape = (backbone.pooled_width(cut, stored),)
    tables = _stored(body, name, shape, np.float32, compute, store.get_or_compute)
    columns = backbone.pooled_columns(cut, backbone.layout.pooled(pool), stored)
    return joined_rows([_side_by_side(table, columns) for table in tables], body.device)


def num_missing(body: Body, store: ArrayStore) -> int:
    """How many images must be run before all pooled features that the body stores are there."""
    stored = _kept(body, store, body.by_place)
    return store.num_missing(features_name(body, body.images, stored))


def _kept(body: Body, store: ArrayStore, needed: Collection[Statistic]) -> tuple[Statistic, ...]:
    """What the tables have of each channel that serve what is needed by place.

    Those of an earlier search may have less than this one stores, or more. Where none has all
    rows, what this search stores is computed.
    """

    def is_whole(stored: tuple[Statistic, ...]) -> bool:
        names = (features_name(body, images, stored) for images in body.images.tables)
        return not any(map(store.num_missing, names))

    serving = body.config.backbone.network.layout.serving(needed)
    return next(filter(is_whole, serving), body.stored)


def _side_by_side(table: Array, columns: NDArray[np.int64]) -> Array:
    """Some columns of a table; of those of whole stages no process has a copy."""
    first, last = columns[0], columns[-1]
    is_range = np.array_equal(columns, np.arange(first, last + 1))
    return table[:, first : last + 1] if is_range else table.take(columns, axis=1)


def _stored_activations(body: Body, store: ArrayStore) -> Inputs | None:
    """None where they do not fit into the budget of the store."""
    shape, tables = body.boundary_shape(), body.images.tables
    names = [activations_name(body, images) for images in tables]
    absent = [name for name in names if store.get(name) is None]
    row_bytes = 2 * math.prod(shape)
    if sum(map(len, names)) * row_bytes > store.budget:
        return None
    if absent and not store.make_room(sum(map(len, absent)) * row_bytes):
        return None

    kept = _kept_precision(body)

    def compute(rows: Tensor) -> Array:
        half = body.activations(rows, in_full_batches=True).to(kept).cpu()
        if not torch.isfinite(half).all():
            raise ValueError(
                f"activations of {body.config.backbone} at the freeze boundary exceed half "
                f"precision ({torch.finfo(kept).max:g}); start such trials from the pixels, with "
                "--cache-bytes 0"
            )
        activations: Array = half.view(torch.int16).numpy()  # NumPy has no bfloat16
        return activations

    fitting = store.get_or_compute_if_it_fits
    stored = _stored(body, activations_name, shape, np.int16, compute, fitting)
    whole = [table for table in stored if table is not None]
    if len(whole) < len(stored):
        return None
    take = joined_rows(whole, body.device)
    is_maps = len(shape) == 3
    memory_format = torch.channels_last if is_maps else torch.contiguous_format
    return lambda rows: take(rows).view(kept).float().contiguous(memory_format=memory_format)


def _kept_precision(body: Body) -> torch.dtype:
    """What activations are kept in: as they were computed in bfloat16, else in float16."""
    computed = precision(body.device)
    return computed if computed == torch.bfloat16 else torch.float16


def _stored(
    body: Body,
    name: Callable[[Body, Images], TableName],
    row_shape: tuple[int, ...],
    dtype: DTypeLike,
    compute: Callable[[Tensor], Array],
    obtain: Callable[[TableName, tuple[int, ...], DTypeLike, Compute], Found],
) -> list[Found]:
    """Compute one array for each table of images."""
    stored: list[Found] = []
    first: int = 0
    for images in body.images.tables:

        def of_table(rows: Rows, first: int = first) -> Array:
            return compute(torch.from_numpy(first + rows))

        stored.append(obtain(name(body, images), row_shape, dtype, of_table))
        first += len(images.pixels)
    return stored


def features_name(
    body: Body, images: Images, stored: Sequence[Statistic] | None = None
) -> TableName:
    """Name of a table of pooled features: everything that can change one of its numbers.

    Args:
        body: What computes them.
        images: What they are of.
        stored: What the table has of each channel, `Body.stored` if not given.
    """
    backbone = body.config.backbone.network
    stages = backbone.pooled_stages(body.config.cut)
    modules = [(stage.modules, stage.layers, stage.relu) for stage in stages]
    more = (stored or body.stored)[len(backbone.layout.statistics) :]
    extra = {"by place": more} if more else {}  # the others have the names of earlier versions
    return _name(FEATURES, body, images, modules=modules, **extra)


def activations_name(body: Body, images: Images) -> TableName:
    """Name of a table of activations: everything that can change one of its numbers."""
    children = [child for stage in body.frozen for child in stage.named_children()]
    modules = [(name, type(module).__name__) for name, module in children]
    kept = f"bits of {_kept_precision(body)}"
    return _name(_ACTIVATIONS, body, images, modules=modules, kept=kept)


def _name(prefix: str, body: Body, images: Images, **more: Any) -> TableName:
    config, statistics = body.config, images.statistics
    backbone = config.backbone.network
    by_cohort = config.normalization == "cohort"
    parts = {
        "rule": FEATURE_RULE,
        "images": images.name.what,
        "backbone": config.backbone.name,
        "weights": body.weights.fingerprints[config.backbone],
        "normalization": config.normalization,
        "statistics": [statistics.mean, statistics.std] if by_cohort else None,
        "device": body.device.type,
        "precision": str(precision(body.device)),
        "torch": torch.__version__,
        **{library: version(library) for library in backbone.libraries},
        **more,
    }
    if config.normalization == "own":
        parts["own"] = backbone.own
    content = digest(json.dumps(parts, sort_keys=True))
    what = f"{prefix}{config.backbone.file_name}-{config.normalization}-{content}"
    return images.name.of_same_rows(what)
