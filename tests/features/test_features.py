"""What is computed once and kept: the same numbers, and never those of something else."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.networks import (
    ALL_CUTS,
    CPU,
    FURTHER_CUTS,
    RANDOM,
    STATISTICS,
    images_of,
    prepared_model,
    random_images,
    random_model,
    random_pixels,
    tiny_config,
)
from torch import nn

from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.start import Random
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import Weights
from trainable.config import TrialConfig
from trainable.features import body as body_module
from trainable.features import tables
from trainable.features.body import Body, folded
from trainable.features.tables import activations_name, features_name, frozen_inputs
from trainable.images.batches import Batch
from trainable.images.loading import Images, table_rows
from trainable.images.preprocessing import NORMALIZATIONS, NormalizationName, PixelStatistics
from trainable.store.arrays import ArrayStore
from trainable.training.loop import FoldData, fit
from trainable.trial.cross_validation import new_network

ROWS = torch.tensor([3, 0, 3, 1])
FEW_CUTS = [pair for pair in ALL_CUTS if pair[0] in ("squeezenet1_1", "resnet18")]
LAST_CUT = {name: backbone.cuts[-1] for name, backbone in BACKBONES.items()}


@functools.cache
def fitted(name: str) -> Weights:
    """Weights of a network whose features differ from image to image."""
    return prepared_model(random_model(name))


def no_weights() -> Weights:
    """Weights that no network may be built from."""

    class Gone(Weights):
        def build(self, encoder: Encoder, cut: str | None = None) -> nn.Module:
            raise AssertionError(f"{encoder} is not to be built")

    return Gone(Random(), RANDOM.encoders, fingerprints=RANDOM.fingerprints)


def body_of(config: TrialConfig, images: Images | None = None, weights: Weights = RANDOM) -> Body:
    return Body(images or random_images(4), config, weights, CPU)


class FoldedOnce:
    """Each stage of the networks that nobody changes is folded once: that takes most of the time.

    A stage is known by its tensors. They are kept with what was found, so none is taken for others.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], tuple[nn.Module, nn.Module]] = {}

    def __call__(self, stage: nn.Module) -> nn.Module:
        tensors = (*stage.named_parameters(), *stage.named_buffers())
        key = (*map(type, stage.modules()), *((name, id(tensor)) for name, tensor in tensors))
        if key not in self._found:
            self._found[key] = stage, folded(stage)
        return self._found[key][1]


folded_once = FoldedOnce()


@pytest.fixture
def stages_are_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies find what the tests before have folded."""
    monkeypatch.setattr(body_module, "folded", folded_once)


@pytest.fixture
def four_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is computed in batches of four, as the test does it.

    Batches of other sizes differ by rounding, which random networks magnify.
    """
    monkeypatch.setattr(body_module, "cpu_batch", lambda _: 4)


def as_run(body: Body) -> list[nn.Module]:
    """The frozen stages with folded norms: random networks would magnify the other rounding."""
    return [folded_once(stage) for stage in body.frozen]


@pytest.mark.usefixtures("stages_are_folded_once", "four_at_once")
@pytest.mark.parametrize("name", BACKBONES)
def test_stored_features_of_every_cut_are_those_of_the_whole_network(
    tmp_path: Path, name: str
) -> None:
    images, store = random_images(4), ArrayStore(tmp_path)
    weights = fitted(name)
    further = [cut for backbone, cut in FURTHER_CUTS if backbone == name]
    for cut in (*find_backbone(name).cuts, FUSED, *further):
        config = tiny_config(backbone=name, cut=cut, normalization="imagenet")
        body = body_of(config, images, weights)
        stored, source = frozen_inputs(body, store)
        network = new_network(config, as_run(body), body.trained, 0, CPU).eval()
        plain = network.prefix(images.as_seen_by(config.preprocessing, CPU)(ROWS))
        assert source == "features"
        assert stored(ROWS).shape == (4, 2 * sum(find_backbone(name).widths(cut)))
        torch.testing.assert_close(stored(ROWS), plain, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(plain[0], plain[1], rtol=1e-2, atol=1e-3), "nothing to compare"
    num_tables = 2 if "classifier" in further else 1
    assert len(list(tmp_path.glob("*.npy"))) == num_tables, "all other cuts come from one pass"


@pytest.mark.usefixtures("stages_are_folded_once")
@pytest.mark.parametrize(("name", "cut"), [*LAST_CUT.items(), *FURTHER_CUTS])
def test_stored_activations_of_every_boundary_are_those_of_the_plain_path(
    tmp_path: Path, name: str, cut: str
) -> None:
    images, store = random_images(4), ArrayStore(tmp_path)
    weights = fitted(name)
    for unfreeze in range(1, len(find_backbone(name).stages_until(cut)) + 1):
        config = tiny_config(backbone=name, cut=cut, unfreeze=unfreeze)
        body = body_of(config, images, weights)
        stored, source = frozen_inputs(body, store)
        without = ArrayStore(tmp_path, budget=0)
        plain, plain_source = frozen_inputs(body_of(config, images, weights), without)
        assert plain_source == "pixels"
        assert source == ("activations" if body.frozen else "pixels")
        torch.testing.assert_close(stored(ROWS), plain(ROWS), rtol=1e-3, atol=1e-2)
        network = new_network(config, as_run(body), body.trained, 0, CPU).eval()
        whole = network(Batch(images.as_seen_by(config.preprocessing, CPU)(ROWS)))
        torch.testing.assert_close(network.suffix(Batch(plain(ROWS))), whole, rtol=1e-3, atol=1e-3)


# the tests above compare the features of every cut, so two families stand for how heads learn
@pytest.mark.usefixtures("stages_are_folded_once", "four_at_once")
@pytest.mark.parametrize(("name", "cut"), sorted({*LAST_CUT.items(), *FEW_CUTS, *FURTHER_CUTS}))
@pytest.mark.parametrize("unfreeze", [0, 1])
def test_the_same_head_is_learnt_from_what_is_stored_as_from_the_images(
    tmp_path: Path, name: str, cut: str, unfreeze: int
) -> None:
    images = random_images(12)
    # running averages: exact statistics of 8 rows would magnify the rounding of what is stored
    config = tiny_config(
        backbone=name, cut=cut, dropout=0.5, unfreeze=unfreeze, norm_statistics="running"
    )
    labels = torch.tensor([0, 1] * 6)
    train, valid = np.arange(8), np.arange(8, 12)
    weights = fitted(name)
    body = body_of(config, images, weights)
    stored, _ = frozen_inputs(body, ArrayStore(tmp_path))
    without = new_network(config, [], body.trained, 5, CPU)
    whole = new_network(config, as_run(body), body.trained, 5, CPU)
    statistics = {k: v.clone() for k, v in whole.frozen.state_dict().items()}
    normalized = images.as_seen_by(config.preprocessing, CPU)
    from_stored = list(
        fit(without, FoldData(lambda r: Batch(stored(r)), labels[:, None], train, valid), config, 6)
    )

    def from_pixels(rows: torch.Tensor) -> Batch:
        prefix = whole.prefix(normalized(rows))
        return Batch(prefix.half().float() if body.frozen and unfreeze else prefix)

    from_images = list(fit(whole, FoldData(from_pixels, labels[:, None], train, valid), config, 6))
    for one, other in zip(from_stored, from_images, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-2)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-2)
    for key, value in without.head.state_dict().items():
        torch.testing.assert_close(value, whole.head.state_dict()[key], rtol=1e-2, atol=1e-2)
    for key, value in whole.frozen.state_dict().items():
        assert torch.equal(value, statistics[key]), key


def test_more_images_than_one_forward_batch_are_each_computed_once_in_order() -> None:
    images = random_images(70)
    config = tiny_config(backbone="squeezenet1_1")
    body = body_of(config, images)
    table = body.pooled(torch.arange(70))
    assert table.shape == (70, 2 * (64 + 128 + 256 + 512))
    assert body.num_forwarded == 70
    for row in (0, 3, 4, 31, 69):
        one = images_of(images.pixels[row : row + 1])
        alone = body_of(config, one).pooled(torch.tensor([0]))
        torch.testing.assert_close(alone[0], table[row], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_the_normalization_of_the_trial_is_the_one_applied(name: NormalizationName) -> None:
    images = random_images(2)
    pixels = torch.from_numpy(np.array(images.pixels))
    config = tiny_config(normalization=name, cut="features.2")
    seen_as = config.preprocessing
    expected = seen_as.normalize(pixels, STATISTICS)
    assert torch.equal(images.as_seen_by(seen_as, CPU)(torch.tensor([1])), expected[1:])
    body = body_of(config, images)
    (stage,) = body.frozen
    torch.testing.assert_close(body.activations(torch.arange(2)), stage(expected))


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_what_is_stored_is_not_computed_again(tmp_path: Path, unfreeze: int) -> None:
    config, images = tiny_config(unfreeze=unfreeze), random_images(5)
    body = body_of(config, images)
    first, _ = frozen_inputs(body, ArrayStore(tmp_path))
    assert body.num_forwarded >= 5
    again = body_of(config, images, no_weights() if unfreeze == 0 else RANDOM)
    found, _ = frozen_inputs(again, ArrayStore(tmp_path))
    assert again.num_forwarded == 0
    assert torch.equal(found(ROWS), first(ROWS))


def test_features_are_shared_by_all_cuts_and_not_by_another_normalization(tmp_path: Path) -> None:
    images, store = random_images(3), ArrayStore(tmp_path)
    frozen_inputs(body_of(tiny_config(), images), store)
    frozen_inputs(body_of(tiny_config(cut="features.2"), images, no_weights()), store)
    with pytest.raises(AssertionError, match="not to be built"):
        frozen_inputs(body_of(tiny_config(normalization="image"), images, no_weights()), store)


def test_activations_stay_within_their_budget(tmp_path: Path) -> None:
    images, budget = random_images(4), 10_000
    store = ArrayStore(tmp_path, budget)
    for name in ("squeezenet1_0", "squeezenet1_1", "resnet18"):
        body = body_of(tiny_config(backbone=name, unfreeze=1, cut=LAST_CUT[name]), images)
        assert frozen_inputs(body, store)[1] == "activations"
    (kept,) = tmp_path.glob("activations-*.npy")
    assert "resnet18" in kept.name, "the older two had to make room"
    assert kept.stat().st_size <= budget
    body = body_of(tiny_config(backbone="resnet18", unfreeze=2, cut="layer4"), images)
    assert frozen_inputs(body, ArrayStore(tmp_path, 100))[1] == "pixels"


def test_activations_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    model = random_model("squeezenet1_0")
    with torch.no_grad():
        for parameter in model.get_submodule("features.0").parameters():
            parameter.mul_(1e9)
    body = body_of(tiny_config(unfreeze=1), weights=prepared_model(model))
    with pytest.raises(ValueError, match=r"exceed half precision .* --cache-bytes 0"):
        frozen_inputs(body, ArrayStore(tmp_path))


def key_of(images: Images | None = None, fingerprint: str | None = None, **changes: Any) -> str:
    weights = RANDOM
    if fingerprint:
        prints = dict.fromkeys(RANDOM.encoders, fingerprint)
        weights = dataclasses.replace(RANDOM, fingerprints=prints)
    body = body_of(tiny_config(**changes), images or random_images(2), weights)
    key = activations_name if body.config.unfreeze else features_name
    return key(body, body.images).key


def test_the_key_follows_all_that_can_change_a_number() -> None:
    keys = [
        key_of(),
        key_of(random_images(2, seed=1)),
        key_of(random_images(2, size=64)),
        key_of(fingerprint="other weights"),
        key_of(normalization="image"),
        key_of(normalization="cohort"),
        key_of(backbone="squeezenet1_1"),
        key_of(unfreeze=1),
        key_of(unfreeze=2),
        key_of(unfreeze=1, normalization="image"),
        key_of(unfreeze=1, fingerprint="other weights"),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"cut": "features.5"},
        {"cut": "fused", "pool": "average", "head": "logistic", "C": 0.1},
        {"learning_rate": 0.1, "weight_decay": 0.0},
        {"head_layers": (16,), "dropout": 0.3},
        {"head": "plain", "head_layers": ()},
        {"optimizer": "sgd", "momentum": 0.5, "schedule": "step", "seed": 4},
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


def test_trials_share_activations_whatever_is_trained_above_them() -> None:
    keys = {key_of(unfreeze=1), key_of(unfreeze=1, learning_rate=0.1, head_layers=(16,))}
    keys |= {key_of(backbone="squeezenet1_0", unfreeze=1, cut="features")}
    assert len(keys) == 1


def test_rows_of_a_table_may_be_changed_without_changing_the_table() -> None:
    pixels = random_pixels(2)
    pixels.setflags(write=False)
    take = table_rows(pixels, CPU)
    take(torch.tensor([0])).zero_()
    assert take(torch.tensor([0])).max() > 0


def test_activations_that_were_computed_in_bfloat16_are_kept_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU that computes in it: a large one does not overflow, a small one is not lost."""
    monkeypatch.setattr(tables, "precision", lambda _: torch.bfloat16)
    body = body_of(tiny_config(unfreeze=1), random_images(4))
    given = torch.tensor([70000.0, 1e-9, -3.5, 0.0]).bfloat16()
    shape = (4, *body.boundary_shape())
    monkeypatch.setattr(
        body, "activations", lambda rows, **_: given.float()[rows, None, None, None].expand(shape)
    )
    take, source = frozen_inputs(body, ArrayStore(tmp_path))
    assert source == "activations"
    assert torch.equal(take(torch.arange(4))[:, 0, 0, 0], given.float())


def test_out_of_memory_is_met_by_smaller_batches() -> None:
    def has_memory_for_three(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > 3:
            raise torch.OutOfMemoryError("out of memory")

    images, config = random_images(7), tiny_config(unfreeze=1)
    expected = body_of(config, images).activations(torch.arange(7))
    body = body_of(config, images)
    body.frozen[0].register_forward_pre_hook(has_memory_for_three)
    with pytest.warns(UserWarning, match="no memory for 7 images of .*; 3 are run at once"):
        found = body.activations(torch.arange(7))
    torch.testing.assert_close(found, expected)
    assert body.num_forwarded == 7
