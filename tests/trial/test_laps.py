"""A pass is scored on parts of the patients before it is run on all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.networks import CPU, random_pixels, tiny_config
from fixtures.tasks import NUM_IMAGES, write_task

from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import assemble, cross_validate
from trainable.trial.race import probe_of, run_laps
from trainable.trial.task import Task

ALL = np.arange(NUM_IMAGES)
PARTS = ALL[ALL % 10 < 3], ALL[ALL % 10 < 5]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    labels = np.random.default_rng(1).permutation(ALL % 2)
    task = write_task(tmp_path_factory.mktemp("race"), random_pixels(NUM_IMAGES), labels)
    return replace(task, race=PARTS)


def test_a_pass_runs_its_laps_until_its_features_are_stored(task: Task, tmp_path: Path) -> None:
    store, config = ArrayStore(tmp_path), tiny_config(epochs=1)
    laps = list(run_laps(config, task, CPU, store))
    assert [lap.percent for lap in laps] == [25, 50]
    for lap, part in zip(laps, PARTS, strict=True):
        scored = ~np.isnan(lap.record.scores[:, 0])
        assert np.flatnonzero(scored).tolist() == part.tolist()
        assert 0 < lap.record.num_forwarded <= len(part)
        # what it says of a part is what a search on that part alone would find
        *_, alone = cross_validate(
            probe_of(config), task.part(part), CPU, ArrayStore(tmp_path / "b")
        )
        np.testing.assert_array_equal(lap.record.scores[part], alone.scores)
    again = list(run_laps(tiny_config(head="logistic"), task, CPU, store))
    assert [lap.record.num_forwarded for lap in again] == [0, 0]
    np.testing.assert_array_equal(again[0].record.scores, laps[0].record.scores)
    assemble(config, task.materials(CPU, store))
    assert not list(run_laps(config, task, CPU, store))


def test_what_needs_no_pooled_features_runs_no_lap(task: Task, tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    assert not list(run_laps(tiny_config(unfreeze=1), task, CPU, store))
    assert not list(run_laps(tiny_config(), replace(task, race=()), CPU, store))


def test_a_part_has_the_images_and_folds_of_its_examinations(task: Task) -> None:
    part = task.part(PARTS[0])
    assert part.data.hashes == tuple(task.data.hashes[exam] for exam in PARTS[0])
    assert part.data.exam_images[:, 0].tolist() == list(range(len(PARTS[0])))
    for whole, fold in zip(task.folds, part.folds, strict=True):
        assert PARTS[0][fold.valid].tolist() == np.intersect1d(whole.valid, PARTS[0]).tolist()
