"""What of a trial is in the store before it begins."""

from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.passes import FrozenPass
from trainable.features.tables import num_missing
from trainable.trial.task import Materials


def num_to_run(one: FrozenPass, materials: Materials) -> int:
    """How many images a pass must run, those whose pooled features are not stored; else all."""
    if not one.pooled:  # what names them takes the whole network to find out
        return len(materials.data.paths)
    square, store = one.preprocessing.square, materials.store
    config = TrialConfig(
        backbone=one.encoder, cut=one.until, normalization=one.preprocessing.normalization,
        image_size=square.size, resize=square.resize,
    )  # fmt: skip
    images = materials.data.images(square, store)
    body = Body(images, config, materials.weights, materials.device, materials.by_place)
    return num_missing(body, store)
