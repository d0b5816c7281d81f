"""A whole trial, from image files to out-of-fold scores."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from fixtures.networks import CPU, random_pixels, tiny_config
from fixtures.tasks import NUM_IMAGES, write_task
from numpy.typing import NDArray
from sklearn import metrics

from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.evaluation.scoring import F1_AVERAGES, F1Average
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import FoldRecord, cross_validate, fold_seed
from trainable.trial.task import Task


@pytest.fixture(scope="module")
def noise_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Distinct images whose labels are drawn by lot: nothing can be learnt but by heart."""
    labels = np.random.default_rng(1).permutation(np.arange(NUM_IMAGES) % 2)
    return write_task(tmp_path_factory.mktemp("noise"), random_pixels(NUM_IMAGES), labels)


@pytest.fixture(scope="module")
def bright_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Images whose brightness tells their label."""
    labels = np.arange(NUM_IMAGES) % 2
    pixels = (random_pixels(NUM_IMAGES) // 2 + 120 * labels[:, None, None]).astype(np.uint8)
    return write_task(tmp_path_factory.mktemp("bright"), pixels, labels)


def run(task: Task, config: TrialConfig) -> list[FoldRecord]:
    return list(cross_validate(config, task, CPU, ArrayStore(task.cache)))


def last_auc(task: Task, config: TrialConfig) -> float | None:
    _, [found] = task.judge(run(task, config)[-1].scores)
    return found["auc"]


LEARNER = tiny_config(cut="features.2", epochs=60, learning_rate=0.02, head_layers=(32,))
"""Learns 30 images by heart."""


@pytest.fixture(scope="module")
def learner_scores(noise_task: Task) -> NDArray[np.float32]:
    """Scores of all images by who has learnt the labels of the others by heart."""
    return run(noise_task, LEARNER)[-1].scores


def test_every_image_is_scored_once_each_fold_after_the_other(bright_task: Task) -> None:
    records = run(bright_task, tiny_config())
    assert [record.fold for record in records] == [1, 2, 3, 4]
    done: set[int] = set()
    for record, fold in zip(records, bright_task.folds, strict=True):
        assert not done & set(fold.valid.tolist())
        done |= set(fold.valid.tolist())
        assert record.scores.shape == (NUM_IMAGES, 1)
        assert record.scores.dtype == np.float32
        assert set(np.flatnonzero(~np.isnan(record.scores[:, 0])).tolist()) == done
        assert np.array_equal(record.scores[fold.valid], record.last_epoch.scores)
        assert record.last_epoch.epoch == 2
    for earlier, later in itertools.pairwise(records):
        scored = ~np.isnan(earlier.scores[:, 0])
        assert np.array_equal(earlier.scores[scored], later.scores[scored])
    assert done == set(range(NUM_IMAGES))


def test_a_score_is_the_mean_over_the_repeats_so_far(bright_task: Task) -> None:
    folds = bright_task.folds
    again = (*folds, *folds[:2])
    records = run(dataclasses.replace(bright_task, folds=again), tiny_config(dropout=0.5))
    of_each: list[list[float]] = [[] for _ in range(NUM_IMAGES)]
    for record, fold in zip(records, again, strict=True):
        for row, score in zip(fold.valid, record.last_epoch.scores[:, 0], strict=True):
            of_each[row].append(float(score))
        expected = [float(np.mean(scores)) if scores else np.nan for scores in of_each]
        np.testing.assert_allclose(record.scores[:, 0], expected, rtol=1e-6)
    # the second model of a fold is another draw
    assert not np.array_equal(records[0].last_epoch.scores, records[4].last_epoch.scores)


@pytest.mark.parametrize(
    "settings",
    [
        {"head": "logistic", "C": 1e-5},
        {"head": "plain", "head_layers": (), "learning_rate": 3e-3},
        {"head": "fastai", "head_layers": (), "learning_rate": 3e-3},
        {"head": "fastai", "head_layers": (), "learning_rate": 3e-3, "unfreeze": 1},
    ],
)
def test_the_mean_score_is_the_share_of_positives_whatever_they_weigh(
    noise_task: Task, settings: dict[str, Any]
) -> None:
    rows = np.arange(NUM_IMAGES)
    task = dataclasses.replace(noise_task, folds=(Fold(rows, rows),))
    means = [
        run(
            task, tiny_config(epochs=20, positive_weight=weight, positive_copies=copies, **settings)
        )[-1].scores.mean()
        for weight, copies in ((1, 1), (9, 1), (3, 3))
    ]
    # without the correction, some 0.8
    assert means == pytest.approx([0.5] * 3, abs=0.15)


@pytest.mark.parametrize("average", F1_AVERAGES)
def test_the_last_evaluation_is_scikit_learns_of_all_scores(
    noise_task: Task, learner_scores: NDArray[np.float32], average: F1Average
) -> None:
    scoring = dataclasses.replace(noise_task.scoring, f1_average=average)
    task, labels = dataclasses.replace(noise_task, scoring=scoring), noise_task.data.labels
    _, [found] = task.judge(learner_scores)
    positives = learner_scores >= 0.5
    assert 0 < positives.sum() < NUM_IMAGES
    assert found["f1"] == pytest.approx(metrics.f1_score(labels, positives, average=average))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, learner_scores))
    assert found["precision"] == pytest.approx(metrics.precision_score(labels, positives))
    assert found["recall"] == pytest.approx(metrics.recall_score(labels, positives))
    counts = [[found["tn"], found["fp"]], [found["fn"], found["tp"]]]
    assert counts == metrics.confusion_matrix(labels, positives).tolist()


def test_the_objective_is_the_one_that_is_asked_for(
    noise_task: Task, learner_scores: NDArray[np.float32]
) -> None:
    scoring = dataclasses.replace(noise_task.scoring, objective="auc")
    objective, [found] = dataclasses.replace(noise_task, scoring=scoring).judge(learner_scores)
    assert objective == pytest.approx(found["auc"])
    assert objective != noise_task.judge(learner_scores)[0]


def test_labels_by_lot_are_learnt_by_heart_but_not_scored_so(
    noise_task: Task, learner_scores: NDArray[np.float32]
) -> None:
    everything = np.arange(NUM_IMAGES)
    by_heart = dataclasses.replace(noise_task, folds=(Fold(everything, everything),))
    auc = last_auc(by_heart, LEARNER)
    assert auc is not None
    assert auc > 0.95
    _, [found] = noise_task.judge(learner_scores)
    auc = found["auc"]
    assert auc is not None
    assert 0.25 < auc < 0.75


@pytest.mark.parametrize(("unfreeze", "positive_copies"), [(0, 1), (1, 1), (0, 3), (1, 3)])
def test_no_score_depends_on_which_of_its_fold_are_positive(
    noise_task: Task, unfreeze: int, positive_copies: int
) -> None:
    changes = {"epochs": 3, "unfreeze": unfreeze, "positive_copies": positive_copies}
    config = LEARNER.model_copy(update=changes)
    before = run(noise_task, config)[-1].scores
    others = noise_task.data.labels.copy()
    inside, outside = noise_task.folds[1].valid, noise_task.folds[1].train
    others[inside] = np.roll(others[inside], 1)
    assert not np.array_equal(others, noise_task.data.labels)
    data = dataclasses.replace(noise_task.data, labels=others)
    after = run(dataclasses.replace(noise_task, data=data), config)[-1].scores
    assert np.array_equal(after[inside], before[inside])
    assert not np.any(after[outside] == before[outside])


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_what_can_be_learnt_is_learnt(bright_task: Task, unfreeze: int) -> None:
    config = LEARNER.model_copy(update={"epochs": 15, "unfreeze": unfreeze, "learning_rate": 0.01})
    auc = last_auc(bright_task, config)
    assert auc is not None
    assert auc > 0.95


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_a_trial_repeats_itself_to_the_bit(bright_task: Task, unfreeze: int) -> None:
    config = tiny_config(unfreeze=unfreeze, dropout=0.5)
    first, second = run(bright_task, config), run(bright_task, config)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.scores, other.scores, equal_nan=True)
        assert bright_task.judge(one.scores) == bright_task.judge(other.scores)
        assert one.last_epoch.train_loss == other.last_epoch.train_loss
    other_task = run(dataclasses.replace(bright_task, seed=2), config)
    other_draw = run(bright_task, config.model_copy(update={"seed": 1}))
    for another in (other_task, other_draw):
        assert not np.array_equal(another[-1].scores, first[-1].scores)


def test_a_fold_does_not_depend_on_the_folds_before_it(bright_task: Task) -> None:
    config = tiny_config(dropout=0.5)
    folds = bright_task.folds
    both = run(dataclasses.replace(bright_task, folds=folds[:2]), config)[-1]
    swapped = (folds[3], folds[1])
    again = run(dataclasses.replace(bright_task, folds=swapped), config)[-1]
    assert np.array_equal(both.scores[folds[1].valid], again.scores[folds[1].valid])


def test_the_first_draw_has_the_seeds_that_it_always_had() -> None:
    # NumPy's SeedSequence([seed, fold]), of before trials had draws
    assert [fold_seed(5, 3), fold_seed(5, 3, 0), fold_seed(0, 1)] == [
        727168946,
        727168946,
        3964924996,
    ]


def test_every_fold_of_every_run_has_a_seed_of_its_own() -> None:
    seeds = [
        fold_seed(seed, fold, draw)
        for seed in range(50)
        for fold in range(1, 11)
        for draw in range(5)
    ]
    assert len(set(seeds)) == len(seeds)
    assert fold_seed(3, 2) == fold_seed(3, 2)
    assert all(0 <= seed < 2**63 for seed in seeds)
