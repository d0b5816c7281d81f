"""The one file of this folder that knows Ray: a configuration in, reports to Ray Tune out."""

import functools
from pathlib import Path
from typing import Any

import torch
from ray import tune

from trainable.config import TrialConfig
from trainable.cross_validation import FoldRecord, Task, cross_validate
from trainable.device import pick_device
from trainable.store import ArrayStore


@functools.cache
def _store(cache: Path) -> ArrayStore:
    """One store a process: an actor that is used again has its arrays open already."""
    return ArrayStore(cache)


def run_trial(config: dict[str, Any], task: Task) -> None:
    """Cross-validate one configuration on the resources that Ray allocated.

    Args:
        config: `trial` holds the fields of a `TrialConfig`; `number` is Optuna's trial number.
        task: what all trials share.
    """
    resources = tune.get_context().get_trial_resources().required_resources
    torch.set_num_threads(max(1, int(resources.get("CPU", 1))))
    device = pick_device(resources.get("GPU", 0))
    trial = TrialConfig(**config["trial"])
    for record in cross_validate(trial, task, device, _store(task.cache)):
        # a frozen trial's folds take less time than telling of them
        if record.fold == len(task.folds) or trial.unfreeze:
            tune.report(as_metrics(record, len(task.folds)))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def as_metrics(record: FoldRecord, num_folds: int) -> dict[str, Any]:
    """The flat dictionary that Ray Tune takes. Undefined metrics are left out."""
    epoch = record.last_epoch
    numbers = {
        "fold": record.fold,
        "objective": record.objective,
        **record.evaluation,
        "train_loss": epoch.train_loss,
        "valid_loss": epoch.valid_loss,
        "num_steps": epoch.num_steps,
        "source": record.source,
        "num_forwarded": record.num_forwarded,
    }
    metrics: dict[str, Any] = {key: value for key, value in numbers.items() if value is not None}
    if record.fold == num_folds:
        metrics["scores"] = record.scores.tobytes()
    return metrics
