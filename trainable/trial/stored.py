"""What of a trial is in the store before it begins."""

from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.passes import FrozenPass
from trainable.features.tables import features_key
from trainable.images.loading import load_images
from trainable.trial.task import Materials


def is_stored(one: FrozenPass, materials: Materials) -> bool:
    """Whether the pooled features of a pass are stored; activations count as not stored."""
    if not one.pooled:  # what names them takes the whole network to find out
        return False
    square, data, store = one.preprocessing.square, materials.data, materials.store
    config = TrialConfig(
        backbone=one.encoder, cut=one.until, normalization=one.preprocessing.normalization,
        image_size=square.size, resize=square.resize,
    )  # fmt: skip
    images = load_images(data.paths, data.hashes, square, data.statistics, store)
    body = Body(images, config, materials.weights, materials.device)
    # who uses a table checks it; to read all of them whole would delay the first trial
    return store.path(features_key(body, images)).exists()
