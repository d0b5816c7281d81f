"""What of a trial is in the store before it begins."""

import torch

from trainable.backbones.weights import Weights
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.passes import FrozenPass
from trainable.features.tables import features_key
from trainable.images.loading import load_images
from trainable.store.arrays import ArrayStore
from trainable.trial.task import TrainingData


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
