"""Augmented views: fixed, shared, and never across the border of a fold."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, RANDOM, random_images, random_pixels, tiny_config
from numpy.typing import NDArray

from trainable.cohort.splits import Fold, trial_rows
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.augmentation import augment, with_augmented
from trainable.images.loading import Images, joined_rows
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import new_network

POSITIVES = np.array([1, 4, 5])
HASHES = [f"content{number}" for number in range(8)]


def augmented_images(store: ArrayStore, views: int) -> Images:
    return with_augmented(random_images(8), HASHES, POSITIVES, views, store)


def test_a_view_is_the_image_turned_a_little_and_mirrored_or_not(xray: NDArray[np.uint8]) -> None:
    square, before = xray[:90, :90], xray.copy()
    mirrored = set()
    for view in range(1, 21):
        one = augment(square, view)
        assert one.shape == square.shape
        assert one.dtype == np.uint8
        middle = (slice(25, 65), slice(25, 65))
        likeness = [
            np.corrcoef(one[middle].ravel(), other[middle].ravel())[0, 1]
            for other in (square, square[:, ::-1])
        ]
        assert max(likeness) > 0.9
        mirrored.add(int(np.argmax(likeness)))
        noise = one[30:60, 30:60].astype(float)
        assert np.abs(np.diff(noise, axis=0)).mean() > 3
    assert mirrored == {0, 1}
    assert np.array_equal(xray, before)


def test_a_view_depends_on_the_pixels_and_its_number_alone(xray: NDArray[np.uint8]) -> None:
    np.random.seed(1)  # noqa: NPY002 - must not matter
    first = augment(xray, 1)
    other = xray.copy()
    other[0, 0] ^= 1
    assert np.array_equal(augment(xray.copy(), 1), first)
    assert not np.array_equal(augment(xray, 2), first)
    assert not np.array_equal(augment(other, 1), first)


def test_views_are_kept_and_shared_by_trials_with_more_of_them(tmp_path: Path) -> None:
    store, config = ArrayStore(tmp_path), tiny_config()
    few = Body(augmented_images(store, 3), config, RANDOM, CPU)
    frozen_inputs(few, store)
    assert few.num_forwarded == 8 + 2 * 3
    more = Body(augmented_images(store, 5), config, RANDOM, CPU)
    frozen_inputs(more, store)
    assert more.num_forwarded == 2 * 3
    for one, same in zip(few.images.augmented, more.images.augmented, strict=False):
        assert one.name == same.name
        assert np.array_equal(one.pixels, same.pixels)
    none = Body(augmented_images(store, 1), config, RANDOM, CPU)
    frozen_inputs(none, store)
    assert none.num_forwarded == 0
    assert none.images.augmented == ()


def test_the_name_of_a_view_follows_its_images_and_its_number(tmp_path: Path) -> None:
    store, images = ArrayStore(tmp_path), random_images(8)
    hashes = [*HASHES[:4], "other", *HASHES[5:]]
    tables = [
        *augmented_images(store, 3).augmented,
        *with_augmented(images, HASHES, POSITIVES[:2], 2, store).augmented,
        *with_augmented(images, hashes, POSITIVES, 2, store).augmented,
    ]
    assert len({table.name.key for table in tables}) == 4


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_what_is_stored_of_views_is_what_their_pixels_give(tmp_path: Path, unfreeze: int) -> None:
    store, config = ArrayStore(tmp_path), tiny_config(unfreeze=unfreeze)
    images = augmented_images(store, 3)
    pixels = np.concatenate([table.pixels for table in images.tables])
    plain = dataclasses.replace(images, pixels=pixels, augmented=())
    rows = torch.tensor([13, 0, 8, 7, 11, 10, 1, 8])
    body = Body(images, config, RANDOM, CPU)
    network = new_network(config, body.frozen, body.trained, 0, CPU)
    expected = network.prefix(plain.as_seen_by(config.preprocessing, CPU)(rows))
    for cache_bytes in (2**30, 0):
        stored, _ = frozen_inputs(body, ArrayStore(tmp_path, cache_bytes))
        torch.testing.assert_close(stored(rows), expected, rtol=1e-3, atol=1e-3)


def test_rows_of_several_tables_come_in_the_order_that_is_asked_for() -> None:
    tables = [random_pixels(count, seed=count) for count in (4, 1, 3)]
    take, whole = joined_rows(tables, CPU), np.concatenate(tables)
    for rows in ([7, 0, 4, 4, 3, 5], [4], [2, 1], []):
        numbers = torch.tensor(rows, dtype=torch.int64)
        assert np.array_equal(take(numbers).numpy(), whole[rows])


@pytest.mark.parametrize("positive_copies", [1, 2, 5])
def test_only_views_of_what_a_fold_trains_on_are_trained_on(positive_copies: int) -> None:
    rng = np.random.default_rng(positive_copies)
    for _ in range(50):
        labels = rng.integers(0, 2, (30, 1))
        part = rng.integers(0, 3, 30)
        rows = trial_rows(np.arange(30)[:, None], labels, positive_copies)
        assert len(rows.labels) == 30 + (positive_copies - 1) * labels.sum()
        assert np.array_equal(rows.labels, labels[rows.origins])
        assert np.array_equal(rows.origins[:30], np.arange(30))
        for number in range(3):
            fold = Fold(np.flatnonzero(part != number), np.flatnonzero(part == number))
            whole = rows.fold(fold)
            assert np.array_equal(whole.valid, fold.valid)
            origins, counts = np.unique(rows.origins[whole.train], return_counts=True)
            assert np.array_equal(origins, fold.train)
            assert np.array_equal(counts, np.where(labels[origins, 0] == 1, positive_copies, 1))
            assert len(set(whole.train.tolist())) == len(whole.train)


def test_of_several_classes_all_but_the_most_frequent_are_copied() -> None:
    labels = np.eye(3, dtype=np.int64)[[0, 1, 1, 2, 1, 0]]
    rows = trial_rows(np.arange(6)[:, None], labels, 3, exclusive=True)
    assert rows.origins.tolist() == [0, 1, 2, 3, 4, 5, 0, 3, 5, 0, 3, 5]
    assert rows.positives.tolist() == [0, 3, 5]
    rows = trial_rows(np.arange(6)[:, None], labels, 2)
    assert rows.origins.tolist() == [*range(6), *range(6)]
    held_out = np.array([1, 4, 5])
    rows = trial_rows(np.arange(6)[:, None], labels, 2, exclusive=True, held_out=held_out)
    assert rows.origins.tolist() == [*range(6), 2, 3], "of the others, class 0 is the most frequent"
