"""A careful engineer's way, to measure against: features stored by hand, then Ray Tune.

Each backbone runs once over the images with each normalization, in batches of a `DataLoader`, and
the pooled features of its last cut are saved. A trial loads them, and trains the head of each fold.
Ray Tune with Optuna samples backbone, normalization and learning rate, and keeps its processes for
the next trial. One cut alone can be searched so. Heads, folds, epochs and batches are those of our
trial.
"""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from sklearn.metrics import precision_recall_curve
from torch.nn import functional
from torch.utils.data import DataLoader

from benchmarks.speed.plain import XRays
from search.tune.cluster import cluster
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.images.preprocessing import NormalizationName
from trainable.trial.cross_validation import build_network, fresh_head
from trainable.trial.task import Task

_PROCESSES = 2
_LEARNING_RATES = 1e-4, 1e-1

Key = tuple[str, NormalizationName]
"""Backbone and normalization: what features are stored by."""


@dataclass(frozen=True)
class CarefulCost:
    """Seconds of wall time: all features, and then the search."""

    features: float
    search: float

    @property
    def wall(self) -> float:
        """Both together."""
        return self.features + self.search


def store_features(config: TrialConfig, task: Task, folder: Path) -> None:
    """Pooled features of the last cut, of all images, as a file of NumPy."""
    torch.set_num_threads(1)
    network = build_network(task.weights.build(config.backbone, config.cut), config).eval()
    rows = np.arange(len(task.data.labels))
    images = XRays(
        task.data.paths,
        task.data.labels[:, 0],
        rows,
        config.image_size,
        config.normalization != "none",
    )
    parts = [network.prefix(batch) for batch, _ in DataLoader(images, config.batch_size)]
    np.save(_file(config, folder), torch.cat(parts).numpy())


def _file(config: TrialConfig, folder: Path) -> Path:
    return folder / f"{config.backbone}-{config.normalization}.npy"


def run_careful_trial(
    sampled: dict[str, Any], configs: dict[Key, TrialConfig], task: Task, folder: Path
) -> None:
    """A trial as Ray Tune runs it: all folds, and the best F1 of their out-of-fold scores."""
    torch.set_num_threads(1)
    base = configs[sampled["backbone"], sampled["normalization"]]
    config = base.model_copy(update={"learning_rate": sampled["learning_rate"]})
    features = torch.from_numpy(np.load(_file(config, folder)))
    labels = torch.tensor(task.data.labels[:, 0])
    scores = np.empty(len(labels), np.float32)
    for fold in task.folds:
        scores[fold.valid] = fold_scores(config, features, labels, fold)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    tune.report({"f1": float(f1.max())})


def fold_scores(
    config: TrialConfig, features: torch.Tensor, labels: torch.Tensor, fold: Fold
) -> NDArray[np.float32]:
    """Train the head on a fold, and score the images it has not seen."""
    head = fresh_head(config)
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, fused=True)
    train = torch.from_numpy(fold.train)
    steps = -(-len(train) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * steps
    )
    for _ in range(config.epochs):
        for rows in train[torch.randperm(len(train))].tensor_split(steps):
            optimizer.zero_grad()
            functional.cross_entropy(head(features[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    head.eval()
    with torch.no_grad():
        scores: NDArray[np.float32] = head(features[fold.valid]).softmax(1)[:, 1].numpy()
    return scores


def time_careful_search(
    configs: Sequence[TrialConfig], task: Task, folder: Path, num_trials: int
) -> CarefulCost:
    """Time the features of each configuration, and a search among them, two at a time.

    Args:
        configs: One of each backbone with each normalization.
        task: Images, labels and folds.
        folder: A new folder for features and trials.
        num_trials: Trials of the search.
    """
    folder.mkdir()
    start = time.perf_counter()
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:
        work = (configs, itertools.repeat(task), itertools.repeat(folder))
        list(pool.map(store_features, *work))
    stored = time.perf_counter()
    with cluster(None) as wait:
        wait()
        by_key = {(str(config.backbone), config.normalization): config for config in configs}
        backbones, normalizations = (sorted(set(names)) for names in zip(*by_key, strict=True))
        tuner = tune.Tuner(
            tune.with_parameters(run_careful_trial, configs=by_key, task=task, folder=folder),
            param_space={
                "backbone": tune.choice(backbones),
                "normalization": tune.choice(normalizations),
                "learning_rate": tune.loguniform(*_LEARNING_RATES),
            },
            tune_config=tune.TuneConfig(
                metric="f1", mode="max", search_alg=OptunaSearch(), num_samples=num_trials,
                max_concurrent_trials=_PROCESSES, reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=str(folder), name="careful", verbose=0),
        )  # fmt: skip
        grid = tuner.fit()
    if grid.num_errors:
        raise RuntimeError(f"{grid.num_errors} trials failed: {grid.errors[0]}")
    return CarefulCost(stored - start, time.perf_counter() - stored)
