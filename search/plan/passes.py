"""Passes through frozen networks that a search can need, counted before its first trial."""

import torch

from search.options.options import SearchOptions
from search.space.protocol import SearchSpace
from trainable.backbones.weights import Weights
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.features.body import Body
from trainable.features.passes import FrozenPass
from trainable.features.tables import features_key
from trainable.images.loading import load_images
from trainable.store.arrays import ArrayStore
from trainable.trial.assembly import TrainingData
from trainable.trial.cross_validation import Task


def missing_passes(space: SearchSpace, task: Task) -> frozenset[FrozenPass]:
    """The passes that a restricted space can need, without those whose features are stored."""
    store = ArrayStore(task.cache.expanduser(), task.cache_bytes)
    data, weights, device = task.data, task.weights, torch.device("cpu")
    return frozenset(
        one for one in space.passes if not is_stored(one, data, weights, store, device)
    )


def is_stored(
    one: FrozenPass, data: TrainingData, weights: Weights, store: ArrayStore, device: torch.device
) -> bool:
    """Whether the pooled features of a pass are stored; activations count as not stored.

    Args:
        one: The pass.
        data: Its images.
        weights: Weights of its encoder.
        store: Store of the features.
        device: Device that computes them.
    """
    if not one.pooled:  # what names them takes the whole network to find out
        return False
    square = one.preprocessing.square
    config = TrialConfig(
        backbone=one.encoder, cut=one.until, normalization=one.preprocessing.normalization,
        image_size=square.size, resize=square.resize,
    )  # fmt: skip
    images = load_images(data.paths, data.hashes, square, data.statistics, store)
    body = Body(images, config, weights, device)
    # who uses a table checks it; to read all of them whole would delay the first trial
    return store.path(features_key(body, images)).exists()


def require_few_passes(num_passes: int, options: SearchOptions, space: SearchSpace) -> None:
    """Refuse a space that can need more passes than the user allows.

    Raises:
        InputError: Naming what makes the space large.
    """
    most = options.run.max_passes
    if most is None or num_passes <= most:
        return
    sizes, names = set(space.values("image_size")), set(space.values("normalization"))
    raise InputError(
        f"the space must need at most {most} passes of all images through frozen networks, as "
        f"--max-passes says (got {num_passes}); list fewer --backbones "
        f"({len(set(space.values('backbone')))} now), --normalizations ({len(names)}) or image "
        f"sizes ({len(sizes)}), or run fewer --trials"
    )
