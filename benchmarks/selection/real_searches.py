"""Small real searches: fresh demo cohorts, networks that are trained, and 20,000 new phantoms."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

from benchmarks.quality.judged_search import JudgedSearch
from search.demo.films import draw_phantom
from search.demo.phantoms import sample_patients, write_demo
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.plan.planner import plan_search
from search.space.files import Layer, make_space
from search.space.protocol import SearchSpace
from trainable.backbones.weights import Weights, find_weights
from trainable.cohort.scored import team_scores
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.evaluation.counts import f1_of_counts, weighted_counts
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import judge
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.batches import Batch, Batches
from trainable.images.loading import Images
from trainable.images.preprocessing import PixelStatistics
from trainable.store.arrays import ArrayStore
from trainable.store.table_name import TableName
from trainable.training.loop import predict_logits
from trainable.trial.cross_validation import assemble, cross_validate
from trainable.trial.final import fit_final
from trainable.trial.task import Materials

BACKBONES = ("squeezenet1_0", "squeezenet1_1")
NUM_TRIALS = 12
NUM_NEW_IMAGES = 20_000
NUM_PATIENTS = 300
SIZE = 64  # pixels
_NEW_PATIENTS_SEED = 10**6
_NEW = TableName("pixels-new-phantoms", tuple(map(str, range(NUM_NEW_IMAGES))))
_NEW_LABELS = _NEW.of_same_rows(f"{_NEW.what}-labels")
_CPU = torch.device("cpu")
# one for all cohorts, so that the new phantoms' features are computed once
_STATISTICS = PixelStatistics(0.5, 0.25)


class NewImagesTruth:
    """True F1 of final models, on images that are new and many."""

    def __init__(self, labels: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Take labels (num_images, 1) and scores (num_trials, num_images, 1) of new images."""
        self.labels = labels
        self.scores = scores

    def f1(self, members: Sequence[int], threshold: float) -> float:
        """F1 of the mean score of some trials' final models at a threshold."""
        positives = self.scores[np.array(members)].mean(axis=0) >= np.float32(threshold)
        once = np.ones((1, len(positives)))
        return float(f1_of_counts(weighted_counts(self.labels, positives, once), "binary")[0, 0])

    def new_scores(
        self, members: Sequence[int], seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Labels and mean scores (num_images, 1) of all the images, whatever the seed."""
        return self.labels, team_scores(self.scores[np.array(members)])

    def best_f1(self) -> float:
        """F1 of the best trial's final model at its best threshold."""
        found = [judge(self.labels, one, Scoring())[1][0] for one in self.scores]
        return max(self.f1([trial], one["threshold"]) for trial, one in enumerate(found))


def draw_new_images(folder: Path, pool: Executor) -> None:
    """Draw the new phantoms and compute their features, once for all searches."""
    rows = sample_patients(NUM_NEW_IMAGES, _NEW_PATIENTS_SEED).head(NUM_NEW_IMAGES)
    numbers = (rows["severity"], rows["anatomy_seed"], rows["day_seed"], [SIZE] * len(rows))
    films = np.stack(list(pool.map(draw_phantom, *numbers, chunksize=200)))
    store = ArrayStore(folder)
    store.get_or_compute(_NEW, films.shape[1:], films.dtype, lambda rows: films[rows])
    died = rows["died"].to_numpy(np.int64)
    store.get_or_compute(_NEW_LABELS, (), died.dtype, lambda rows: died[rows])
    list(pool.map(_compute_features, [folder] * len(BACKBONES), BACKBONES))


def _compute_features(folder: Path, backbone: str) -> None:
    torch.set_num_threads(1)
    store = ArrayStore(folder)
    fixed = {"unfreeze": 0, "normalization": "none", "image_size": SIZE}
    space = make_space(Layer("{}", fixed)).restricted_to([backbone], has_gpu=False)
    [config] = _sample(space, 1, seed=0)
    _features(_new_images(store), config, find_weights("none", BACKBONES), store)


def _features(images: Images, config: TrialConfig, weights: Weights, store: ArrayStore) -> Batches:
    inputs, _ = frozen_inputs(Body(images, config, weights, _CPU), store)
    return lambda rows: Batch(inputs(rows))


def _new_images(store: ArrayStore) -> Images:
    films = store.get(_NEW)
    if films is None:
        raise FileNotFoundError(f"the new phantoms must be drawn first, into {store.folder}")
    return Images(films, _STATISTICS, _NEW)


def run_search(folder: Path, seed: int) -> JudgedSearch:
    """Draw a cohort, try random configurations on it, and judge each one's final model."""
    torch.set_num_threads(1)
    store = ArrayStore(folder)
    demo = folder / f"cohort-{seed}"
    write_demo(demo, NUM_PATIENTS, num_test_patients=1, size=SIZE, seed=seed)
    settings = SearchOptions.of(
        data=demo / "train.csv", weights="none", backbones=BACKBONES, unfreeze=(0,),
        image_size=SIZE, batch_size=32, cache=folder, seed=seed,
    )  # fmt: skip
    prepared = plan_search(settings)
    task = prepared.task
    scores, first_scores, new_scores = [], [], []
    for config in _sample(prepared.space_here(has_gpu=False), NUM_TRIALS, seed):
        records = list(cross_validate(config, task, _CPU, store))
        first_scores.append(records[settings.scoring.folds - 1].scores)
        scores.append(records[-1].scores)
        num_steps = records[-1].last_epoch.num_steps
        new_scores.append(_final_scores(config, num_steps, prepared, store))
    folds = np.empty(len(task.data.labels), np.int64)
    for number, fold in enumerate(task.folds[: settings.scoring.folds]):
        folds[fold.valid] = number
    labels = np.array(store.get(_NEW_LABELS))
    truth = NewImagesTruth(labels[:, None], np.stack(new_scores)[..., None])
    scored = prepared.cohort.scored(np.stack(scores))
    return JudgedSearch(scored, folds, np.stack(first_scores)[..., 0], truth)


def _sample(space: SearchSpace, num_trials: int, seed: int) -> list[TrialConfig]:
    """Random configurations, the assignment's own first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.enqueue_trial(space.first_trials()[0])
    configs = [TrialConfig(**space(study.ask())["trial"]) for _ in range(num_trials)]
    # one normalization, so that the new phantoms' features are computed once
    return [config.model_copy(update={"normalization": "none"}) for config in configs]


def _final_scores(
    config: TrialConfig, steps: int, prepared: SearchPlan, store: ArrayStore
) -> NDArray[np.float32]:
    """Scores of the new phantoms by the configuration retrained as `cxr-predict` does."""
    task = prepared.task
    data = dataclasses.replace(task.data, statistics=_STATISTICS)
    parts = assemble(config, Materials(data, task.weights, store, _CPU))
    everything = Fold(np.arange(len(data.labels)), np.empty(0, np.int64))
    repeats = prepared.options.scoring.repeats
    model = fit_final(parts, steps, everything, repeats)
    new_inputs = _features(_new_images(store), config, task.weights, store)
    new = np.arange(NUM_NEW_IMAGES)
    scores = []
    for network in model.networks:
        logits = predict_logits(network, new_inputs, new, 4096, _CPU)
        scores.append(logits.softmax(dim=1)[:, 1])
    return np.asarray(torch.stack(scores).mean(dim=0).numpy())
