"""The plain way, to measure against: Ray Tune with PyTorch, as in Ray's own example.

A `DataLoader` decodes the images, and the whole network runs on every batch of every epoch of every
fold. Network, loss, optimizer, folds and score are those of our trial.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from ray import tune
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from search.tune.cluster import cluster
from trainable.config import TrialConfig
from trainable.images.batches import Batch
from trainable.training.steps import build_optimizer
from trainable.trial.cross_validation import build_network
from trainable.trial.task import Task


@dataclass(frozen=True)
class PlainCost:
    """Of one epoch of one fold, training and validation, in seconds."""

    wall: float
    cpu: float


class XRays(Dataset[tuple[Tensor, int]]):
    """Images that are decoded when they are asked for."""

    def __init__(
        self,
        paths: Sequence[str],
        labels: NDArray[np.int64],
        rows: NDArray[np.int64],
        size: int,
        normalized: bool = True,
    ) -> None:
        self.paths = [paths[row] for row in rows]
        self.labels = labels[rows]
        steps: list[v2.Transform] = [
            v2.PILToTensor(),
            v2.Resize((size, size), antialias=True),
            v2.ToDtype(torch.float32, scale=True),
        ]
        if normalized:
            steps.append(v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        self.transform = v2.Compose(steps)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image: Tensor = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return image, int(self.labels[index])


def train_one_epoch(config: TrialConfig, task: Task) -> None:
    """One epoch of the first fold: train on its images, then score the others."""
    network = build_network(task.weights.build(config.backbone, config.cut), config)
    optimizer = build_optimizer(network, config)
    fold = task.folds[0]
    train, valid = (
        DataLoader(
            XRays(task.data.paths, task.data.labels[:, 0], rows, config.image_size),
            batch_size=config.batch_size,
            shuffle=rows is fold.train,
        )
        for rows in (fold.train, fold.valid)
    )
    network.train()
    for images, labels in train:
        optimizer.zero_grad()
        functional.cross_entropy(network(Batch(images)), labels).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        for images, _ in valid:
            network(Batch(images))


def run_plain_trial(config: dict[str, Any], task: Task) -> None:
    """A trial as Ray Tune runs it, cut down to one epoch of one fold."""
    torch.set_num_threads(1)
    start, cpu = time.perf_counter(), time.process_time()
    train_one_epoch(TrialConfig(**config["trial"]), task)
    cost = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    tune.report(cost)


def time_plain_trials(configs: Sequence[TrialConfig], task: Task, folder: Path) -> list[PlainCost]:
    """Time one epoch of one fold of each configuration, two at a time, one thread each."""
    with cluster(None) as wait:
        wait()
        choices = tune.grid_search([config.model_dump() for config in configs])
        tuner = tune.Tuner(
            tune.with_parameters(run_plain_trial, task=task),
            param_space={"trial": choices},
            tune_config=tune.TuneConfig(max_concurrent_trials=2),
            run_config=tune.RunConfig(storage_path=str(folder), name="plain", verbose=0),
        )
        grid = tuner.fit()
    costs = {}
    for result in (grid[number] for number in range(len(grid))):
        if result.error or result.metrics is None or result.config is None:
            raise RuntimeError(f"a plain trial failed: {result.error}")
        cost = PlainCost(result.metrics["wall"], result.metrics["cpu"])
        costs[result.config["trial"]["backbone"]] = cost
    return [costs[str(config.backbone)] for config in configs]
