"""Features that are computed once and kept: the same numbers, and never those of something else."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from network_fixtures import (
    CPU,
    RANDOM,
    STATISTICS,
    random_images,
    random_model,
    random_pixels,
    tiny_config,
)
from torch import nn

from trainable.backbones import BACKBONES, find_backbone
from trainable.cross_validation import new_network
from trainable.features import (
    Images,
    computed_inputs,
    features_key,
    pooled_features,
    stored_features,
)
from trainable.model import build_network
from trainable.normalization import NORMALIZATIONS, NormalizationName, normalize
from trainable.pixels import PixelStatistics
from trainable.store import ArrayStore
from trainable.training import fit
from trainable.weights import Weights

ROWS = torch.tensor([3, 0, 3, 1])


class CountingWeights(Weights):
    """Random weights that know how often a network was built."""

    builds = 0

    def build(self, name: str) -> nn.Module:
        type(self).builds += 1
        return RANDOM.build(name)


def prepared_model(model: nn.Module) -> Weights:
    """Weights that are those of this network."""

    class Prepared(Weights):
        def build(self, name: str) -> nn.Module:
            return model

    return Prepared("none", tuple(BACKBONES), fingerprints=dict.fromkeys(BACKBONES, "prepared"))


@pytest.mark.parametrize("name", BACKBONES)
def test_stored_features_of_every_cut_are_those_of_the_plain_path(
    tmp_path: Path, name: str
) -> None:
    images, model, store = random_images(4), random_model(name), ArrayStore(tmp_path)
    for cut in find_backbone(name).cuts:
        config = tiny_config(backbone=name, cut=cut, normalization="imagenet")
        stored = stored_features(images, config, prepared_model(model), store, CPU)(ROWS)
        network = build_network(model, name, cut, 0, 8, 0.0).eval()
        plain = computed_inputs(images, network.prefix, "imagenet", CPU)(ROWS)
        assert stored.shape == (4, 2 * find_backbone(name).stages_until(cut)[-1].width)
        torch.testing.assert_close(stored, plain, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(plain[0], plain[1], rtol=1e-2, atol=1e-3), "nothing to compare"
    assert len(list(tmp_path.glob("*.npy"))) == 1, "all cuts come from one pass"


def test_more_images_than_one_forward_batch_are_each_computed_once_in_order() -> None:
    images = random_images(70)
    body = find_backbone("squeezenet1_1").body(RANDOM.build("squeezenet1_1"), "features.2")
    table = pooled_features(images, body, "none", CPU)
    assert table.dtype == np.float32
    assert table.shape == (70, 128)
    for row in (0, 31, 32, 64, 69):
        one = Images(images.pixels[row : row + 1], STATISTICS, "one")
        np.testing.assert_allclose(pooled_features(one, body, "none", CPU)[0], table[row], 1e-4)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_the_normalization_of_the_trial_is_the_one_applied(name: NormalizationName) -> None:
    images = random_images(2)
    identity = computed_inputs(images, lambda batch: batch, name, CPU)
    pixels = torch.from_numpy(np.array(images.pixels))
    assert torch.equal(identity(torch.tensor([1])), normalize(pixels[1:], name, STATISTICS))
    through = pooled_features(images, [nn.Sequential(nn.Identity())], name, CPU)
    expected = normalize(pixels, name, STATISTICS)
    np.testing.assert_allclose(through[:, :3], expected.amax(dim=(2, 3)))
    np.testing.assert_allclose(through[:, 3:], expected.mean(dim=(2, 3)))


def test_what_is_stored_is_not_computed_again_whatever_the_cut(tmp_path: Path) -> None:
    images, store = random_images(3), ArrayStore(tmp_path)
    weights = CountingWeights("none", RANDOM.backbones, fingerprints=RANDOM.fingerprints)
    CountingWeights.builds = 0
    first = stored_features(images, tiny_config(), weights, store, CPU)(ROWS[1:2])
    stored_features(images, tiny_config(cut="features.2"), weights, store, CPU)
    again = stored_features(images, tiny_config(), weights, ArrayStore(tmp_path), CPU)(ROWS[1:2])
    assert CountingWeights.builds == 1
    assert torch.equal(first, again)
    stored_features(images, tiny_config(normalization="image"), weights, store, CPU)
    assert CountingWeights.builds == 2


@pytest.mark.parametrize(
    ("name", "cut"),
    [("squeezenet1_0", "features.5"), ("mobilenet_v3_large", "features"), ("resnet18", "layer2")],
)
def test_a_trial_from_stored_features_is_the_trial_from_computed_ones(
    tmp_path: Path, name: str, cut: str
) -> None:
    images, config = random_images(12), tiny_config(backbone=name, cut=cut, dropout=0.5)
    labels = torch.tensor([0, 1] * 6)
    train, valid = np.arange(8), np.arange(8, 12)
    without = new_network(config, RANDOM, 5, CPU, with_body=False)
    whole = new_network(config, RANDOM, 5, CPU, with_body=True)
    assert len(without.frozen) == 0
    stored = stored_features(images, config, RANDOM, ArrayStore(tmp_path), CPU)
    computed = computed_inputs(images, whole.prefix, config.normalization, CPU)
    from_stored = list(fit(without, stored, labels, train, valid, config, 6))
    from_computed = list(fit(whole, computed, labels, train, valid, config, 6))
    for one, other in zip(from_stored, from_computed, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
    for key, value in without.head.state_dict().items():
        torch.testing.assert_close(value, whole.head.state_dict()[key], rtol=1e-3, atol=1e-3)


def key_of(images: Images | None = None, fingerprint: str | None = None, **changes: Any) -> str:
    weights = RANDOM
    if fingerprint:
        prints = dict.fromkeys(BACKBONES, fingerprint)
        weights = dataclasses.replace(RANDOM, fingerprints=prints)
    return features_key(images or random_images(2), tiny_config(**changes), weights, CPU)


def test_the_key_follows_all_that_can_change_a_number() -> None:
    keys = [
        key_of(),
        key_of(random_images(2, seed=1)),
        key_of(random_images(2, size=64)),
        key_of(fingerprint="other weights"),
        key_of(normalization="image"),
        key_of(normalization="cohort"),
        key_of(backbone="squeezenet1_1"),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"cut": "features.5"},
        {"learning_rate": 0.1, "weight_decay": 0.0},
        {"head_width": 16, "dropout": 0.3},
        {"positive_weight": 2.0, "batch_size": 4, "epochs": 9},
    ],
)
def test_the_key_does_not_follow_what_changes_no_number(changes: dict[str, Any]) -> None:
    assert key_of(**changes) == key_of()


@pytest.mark.parametrize(("name", "matters"), [("cohort", True), ("none", False), ("image", False)])
def test_the_key_follows_the_statistics_only_where_they_are_used(name: str, matters: bool) -> None:
    others = [
        dataclasses.replace(random_images(2), statistics=PixelStatistics(*numbers))
        for numbers in ((0.5, 0.2), (0.4, 0.3))
    ]
    keys = {key_of(images, normalization=name) for images in (random_images(2), *others)}
    assert len(keys) == (3 if matters else 1)


def test_a_batch_of_images_may_be_changed_without_changing_the_images() -> None:
    pixels = random_pixels(2)
    pixels.setflags(write=False)
    images = Images(pixels, STATISTICS, "read-only")
    batch = images.batch(slice(0, 2), "none", CPU)
    batch.zero_()
    assert images.batch(np.array([0]), "none", CPU).max() > 0
