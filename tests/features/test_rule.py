"""A change of the code that computes features must change their rule, which is in every key."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, images_of, tiny_config
from torch import nn

from trainable.backbones.encoder import Encoder
from trainable.backbones.weights import find_weights
from trainable.features.body import Body
from trainable.features.tables import FEATURE_RULE, activations_name, features_name
from trainable.images.preprocessing import NormalizationName

RULE = "normalized, frozen stages in evaluation mode, full batches, norms folded, v4"

FOUND = {
    "none": (66.319, 126.022, 40.908),
    "imagenet": (85.3429, 166.839, 56.2722),
    "cohort": (86.6783, 170.033, 57.2482),
    "image": (82.7729, 161.327, 53.7111),
}
"""The mean of all features, of the last stage's maxima, and of all activations, by normalization.

If a change of the code changes them, change `FEATURE_RULE`, and then this table and `RULE`.
"""


class Known:
    """Weights that no library draws: a sine, scaled by the inputs of each unit."""

    def __init__(self) -> None:
        self.fingerprints = find_weights("none").fingerprints

    def build(self, encoder: Encoder, cut: str | None = None) -> nn.Module:
        model = find_weights("none").build(encoder, cut)
        with torch.no_grad():
            for parameter in model.parameters():
                fan_in = max(1, parameter[0].numel())
                wave = torch.arange(parameter.numel(), dtype=torch.float64).mul(0.7).sin()
                parameter.copy_((wave * math.sqrt(6 / fan_in)).reshape(parameter.shape))
        return model


def body_of(normalization: NormalizationName) -> Body:
    y, x = np.mgrid[0:64, 0:64]
    pixels = np.stack([(x * y + 37 * n * x) % 256 for n in range(3)]).astype(np.uint8)
    config = tiny_config(backbone="squeezenet1_1", image_size=64, normalization=normalization)
    return Body(images_of(pixels), config, Known(), CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize("normalization", FOUND)
def test_features_change_with_their_rule_alone(normalization: NormalizationName) -> None:
    assert FEATURE_RULE == RULE
    body, rows = body_of(normalization), torch.arange(3)
    features, activations = body.pooled(rows), body.activations(rows)
    last = features[:, -2 * 512 : -512]
    found = [float(values.mean()) for values in (features, last, activations)]
    assert found == pytest.approx(FOUND[normalization], rel=1e-4)


def test_the_keys_know_the_rule_the_modules_and_the_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = body_of("none")
    keys = features_name, activations_name
    before = [key(body, body.images) for key in keys]
    with monkeypatch.context() as other:
        other.setattr("trainable.features.tables.FEATURE_RULE", "v2")
        assert not set(before) & {key(body, body.images) for key in keys}
    with monkeypatch.context() as other:
        other.setattr("trainable.features.tables.precision", lambda device: torch.bfloat16)
        assert not set(before) & {key(body, body.images) for key in keys}
    network = body.config.backbone.network
    first, *others = network.stages
    moved = dataclasses.replace(first, modules=("features.0", "features.1"))
    backbone = dataclasses.replace(network, stages=(moved, *others))
    monkeypatch.setattr(Encoder, "network", property(lambda encoder: backbone))
    assert features_name(body, body.images) != before[0]
