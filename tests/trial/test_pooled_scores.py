"""Scores of different folds are on one scale: they are pooled, and judged together."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from fixtures.networks import CPU, random_pixels, tiny_config
from fixtures.tasks import write_task
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from trainable.cohort.splits import Fold
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate
from trainable.trial.task import Task

IMAGES_OF_PATIENT = np.where(np.arange(60) % 6, 1, 12)
POSITIVES = np.isin(np.arange(60), (0, 6, 12, *range(1, 60, 9)))
PATIENTS = np.repeat(np.arange(60), IMAGES_OF_PATIENT)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Few patients, some with many images; positive images are a little brighter."""
    labels = POSITIVES[PATIENTS].astype(np.int64)
    own, noise = random_pixels(60, seed=1)[PATIENTS], random_pixels(len(PATIENTS), seed=2)
    pixels = own // 2 + noise // 4 + 25 * labels[:, None, None]
    task = write_task(tmp_path_factory.mktemp("pooled"), pixels.astype(np.uint8), labels)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    folds = tuple(Fold(*rows) for rows in splitter.split(pixels, labels, PATIENTS))
    return dataclasses.replace(task, folds=folds)


def scores_of(task: Task, **settings: Any) -> NDArray[np.float32]:
    config = tiny_config(head="logistic", cut="features.5", **settings)
    *_, last = cross_validate(config, task, CPU, ArrayStore(task.cache))
    return last.scores[:, 0]


@pytest.mark.parametrize(("weight", "copies"), [(1, 1), (5, 1), (2, 3)])
def test_who_learns_nothing_gives_all_folds_the_share_of_positives(
    task: Task, weight: float, copies: int
) -> None:
    scores = scores_of(task, C=1e-12, positive_weight=weight, positive_copies=copies)
    shares = [task.data.labels[fold.valid].mean() for fold in task.folds]
    assert max(shares) > 1.5 * min(shares), "nothing to see"
    np.testing.assert_allclose(scores, task.data.labels.mean(), rtol=1e-3)


@pytest.mark.parametrize("penalty", [1e-5, 1e-4])
def test_pooled_scores_rank_as_well_as_those_of_each_fold(task: Task, penalty: float) -> None:
    labels, scores = task.data.labels[:, 0], scores_of(task, C=penalty)
    pooled = roc_auc_score(labels, scores)
    within = [roc_auc_score(labels[fold.valid], scores[fold.valid]) for fold in task.folds]
    assert pooled == pytest.approx(np.mean(within), abs=0.08)


def test_test_rows_have_no_say_in_the_scale(task: Task) -> None:
    held_out = task.folds[0].valid
    rest = np.setdiff1d(np.arange(len(PATIENTS)), held_out)
    flipped = task.data.labels.copy()
    flipped[held_out] = 1 - flipped[held_out]
    found = []
    for labels in (task.data.labels, flipped):
        data = dataclasses.replace(task.data, labels=labels, held_out=held_out)
        split = (Fold(rest[20:], rest[:20]),)
        found.append(scores_of(dataclasses.replace(task, data=data, folds=split), C=0.01))
    assert np.array_equal(found[0], found[1], equal_nan=True)
