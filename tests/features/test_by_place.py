"""One pass stores what every pool of the space needs, and no more."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, RANDOM, random_images, random_pixels, tiny_config
from fixtures.tasks import NUM_IMAGES, write_task
from torch.nn import functional

from trainable.backbones.layout import Pool, Statistic, by_place
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import features_name, frozen_inputs, num_missing
from trainable.images.augmentation import with_augmented
from trainable.images.batches import Batch
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate, new_network
from trainable.trial.task import Task

NEW: tuple[Pool, ...] = ("grid", "grid+average", "top", "top+average")
ROWS = torch.tensor([3, 0, 3, 1])
IMAGES = random_images(4)
CHANNELS = sum(tiny_config().backbone.network.widths("fused"))
BOTH: frozenset[Statistic] = frozenset({"grid", "top"})


def body_of(
    pool: Pool = "average", more: frozenset[Statistic] = frozenset(), cut: str = "fused"
) -> Body:
    return Body(IMAGES, tiny_config(pool=pool, cut=cut), RANDOM, CPU, more)


def forwarded(store: ArrayStore, pool: Pool, more: frozenset[Statistic] = frozenset()) -> int:
    """How many images a trial has to run."""
    body = body_of(pool, more)
    frozen_inputs(body, store)
    return body.num_forwarded


@pytest.mark.parametrize("cut", ["features.2", "features", "fused"])
def test_stored_numbers_are_those_of_the_network_for_every_pool(tmp_path: Path, cut: str) -> None:
    store = ArrayStore(tmp_path)
    for pool in (*NEW, "average", "both"):
        body = body_of(pool, BOTH, cut)
        stored, _ = frozen_inputs(body, store)
        network = new_network(body.config, body.frozen, [], 0, CPU).eval()
        plain = network.prefix(IMAGES.as_seen_by(body.config.preprocessing, CPU)(ROWS))
        torch.testing.assert_close(stored(ROWS), plain, rtol=1e-3, atol=1e-4)
        assert network.head(stored(ROWS)).shape == (4, 2)
    [table] = tmp_path.glob("*.npy")
    assert np.load(table, mmap_mode="r").shape == (4, (2 + 9 + 1) * CHANNELS)


def test_a_search_without_places_stores_what_it_always_did(tmp_path: Path) -> None:
    plain = body_of()
    assert plain.stored == ("maximum", "average")
    assert forwarded(ArrayStore(tmp_path), "average") == 4
    with_places = body_of(more=BOTH).pooled(ROWS)
    backbone = plain.config.backbone.network
    columns = backbone.pooled_columns("fused", plain.stored, body_of(more=BOTH).stored)
    assert torch.equal(with_places[:, columns], plain.pooled(ROWS)), "the same bits"


def test_a_pass_runs_again_only_for_what_no_table_has(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    assert forwarded(store, "average") == 4
    assert forwarded(store, "grid") == 4, "the first table has no places"
    assert forwarded(store, "average", BOTH) == 0, "of an earlier search"
    assert forwarded(store, "grid+average", BOTH) == 0
    assert num_missing(body_of("average", BOTH), store) == 4, "another trial needs the top"
    assert forwarded(store, "top", BOTH) == 4
    assert num_missing(body_of("average", BOTH), store) == 0
    for pool in NEW:
        assert forwarded(store, pool) == 0
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_each_set_of_places_has_a_table_of_its_own() -> None:
    bodies = [body_of(), body_of("grid"), body_of("top"), body_of("top", BOTH)]
    names = [features_name(body, IMAGES) for body in bodies]
    assert len(set(names)) == 4
    assert names[1] == features_name(body_of("grid+average"), IMAGES)
    assert names[0] == features_name(body_of("both"), IMAGES)


def test_augmented_views_are_pooled_as_the_images_are(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    assert forwarded(store, "grid") == 4
    views = with_augmented(IMAGES, IMAGES.name.rows, np.array([1, 3]), 2, store, "stretch")
    body = Body(views, tiny_config(pool="grid", cut="fused", positive_copies=2), RANDOM, CPU)
    inputs, _ = frozen_inputs(body, store)
    assert body.num_forwarded == 2
    assert inputs(torch.arange(6)).shape == (6, 9 * CHANNELS)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Images that are bright on the left or on the right."""
    pixels = random_pixels(NUM_IMAGES, 64) // 2
    labels = np.arange(NUM_IMAGES) % 2
    for image, label in zip(pixels, labels, strict=True):
        image[:, 32 * label : 32 + 32 * label] += 100
    task = write_task(tmp_path_factory.mktemp("sides"), pixels, labels)
    return dataclasses.replace(task, by_place=by_place(NEW))


def trial(pool: Pool, **settings: object) -> TrialConfig:
    given = {"cut": "features.2", "image_size": 64, "C": 0.001, "head": "logistic", "pool": pool}
    return tiny_config(**{**given, **settings})


def auc(task: Task, config: TrialConfig) -> float:
    *_, last = cross_validate(config, task, CPU, ArrayStore(task.cache))
    _, [found] = task.judge(last.scores)
    assert found["auc"] is not None
    return found["auc"]


def test_a_trial_with_each_pool_learns_from_one_pass(sides: Task) -> None:
    assert all(auc(sides, trial(pool)) == 1 for pool in NEW)
    assert auc(sides, trial("grid", head="fastai", epochs=10, learning_rate=0.01)) == 1
    assert len(list(sides.cache.glob("features-*.npy"))) == 1


def test_trained_stages_are_pooled_by_the_same_rule() -> None:
    body = Body(IMAGES, tiny_config(pool="grid", unfreeze=1), RANDOM, CPU)
    network = new_network(body.config, [], body.trained, 0, CPU).eval()
    activations = body.activations(ROWS)
    maps = network.trained(activations)
    expected = functional.adaptive_avg_pool2d(maps, 3).flatten(2).mT.flatten(1)
    torch.testing.assert_close(network.pooled(Batch(activations)), expected)
