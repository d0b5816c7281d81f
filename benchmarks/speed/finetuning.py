"""What sharing gains a trial that trains the last stage, measured and by its arithmetic."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.batches import Batch, Batches
from trainable.images.loading import Images, load_images
from trainable.images.preprocessing import Square
from trainable.store.arrays import ArrayStore
from trainable.training.loop import FoldData, fit, predict_logits
from trainable.training.norm_statistics import set_exact_statistics
from trainable.training.steps import epoch_batches
from trainable.trial.cross_validation import new_network
from trainable.trial.task import Task

CPU = torch.device("cpu")

T = TypeVar("T")


def images_of(task: Task, size: int) -> Images:
    """The decoded images."""
    data, store = task.data, ArrayStore(task.cache)
    return load_images(data.paths, data.hashes, Square(size), data.statistics, store)


@dataclass(frozen=True)
class Finetuning:
    """One trial that trains the last stage, ours and plain, from CPU seconds of parts of it."""

    ours: float
    plain: float
    limit: float

    @property
    def speedup(self) -> float:
        """How many of our trials fit into a plain one."""
        return self.plain / self.ours


def time_finetuning(task: Task, config: TrialConfig, plain_epoch: float) -> Finetuning:
    """Time our frozen part once, an epoch of a fold, and what follows the last; multiply, add."""
    torch.set_num_threads(1)
    fold, folds = task.folds[0], len(task.folds)
    body = Body(images_of(task, config.image_size), config, task.weights, CPU)
    labels = torch.tensor(task.data.labels)
    network = new_network(config, [], body.trained, 0, CPU)
    with tempfile.TemporaryDirectory() as cache:
        prefix, (inputs, _) = cpu_seconds(
            lambda: frozen_inputs(body, ArrayStore(Path(cache), task.cache_bytes))
        )
        batches_of: Batches = lambda rows: Batch(inputs(rows))  # noqa: E731
        one = config.model_copy(update={"epochs": 1, "norm_statistics": "running"})
        epoch, _ = cpu_seconds(
            lambda: list(
                fit(network, FoldData(batches_of, labels, fold.train, fold.valid[:0]), one, 0)
            )
        )
        batches = epoch_batches(fold.train, config.batch_size)
        statistics, _ = cpu_seconds(lambda: set_exact_statistics(network, batches_of, batches))
        scoring, _ = cpu_seconds(
            lambda: predict_logits(network, batches_of, fold.valid, config.batch_size, CPU)
        )
    ours = prefix + folds * (config.epochs * epoch + statistics + scoring)
    return Finetuning(ours, folds * config.epochs * plain_epoch, flop_ratio(task, config))


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this process while it works, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def flop_ratio(task: Task, config: TrialConfig) -> float:
    """Arithmetic of a plain trial, in units of ours: the limit of what sharing can gain."""
    body = Body(images_of(task, config.image_size), config, task.weights, CPU)
    network = new_network(config, body.frozen, body.trained, 0, CPU).train()
    blank = torch.zeros(2, 3, config.image_size, config.image_size)
    prefix, inputs = flops(lambda: network.prefix(blank))
    forward, _ = flops(lambda: network.suffix(Batch(inputs)))
    both, _ = flops(lambda: network.suffix(Batch(inputs)).sum().backward())
    (fold, num), images = (task.folds[0], len(task.folds)), len(task.data.labels)
    train, valid = len(fold.train) * num, len(fold.valid) * num
    plain = config.epochs * (train * (prefix + both) + valid * (prefix + forward))
    return plain / (images * prefix + config.epochs * train * both + valid * forward)


def flops(work: Callable[[], T]) -> tuple[float, T]:
    """Floating-point operations of some work, and its result."""
    with FlopCounterMode(display=False) as counter:
        result = work()
    return counter.get_total_flops(), result
