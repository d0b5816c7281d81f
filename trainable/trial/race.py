"""A race of passes: what each is worth on a part of the patients, before it is run on all.

What is compared is the pass and not the trial that happens to need it first: the same logistic head
is fitted to the features of each, and scored out of fold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from trainable.backbones.backbone import FUSED
from trainable.config import TrialConfig
from trainable.features.passes import PERCENTS, pass_of
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import FoldRecord, cross_validate
from trainable.trial.stored import num_to_run
from trainable.trial.task import Task

_HEAD = {"head": "logistic", "C": 0.001, "pool": "average"}
"""That of the first trials (search/space/default.yaml)."""


@dataclass(frozen=True)
class Lap:
    """What a pass is worth on a part of the patients.

    Attributes:
        percent: Share of the patients, one of `PERCENTS`.
        record: The last fold; its scores are of all examinations, NaN outside of the part.
    """

    percent: int
    record: FoldRecord


def run_laps(
    config: TrialConfig, task: Task, device: torch.device, store: ArrayStore
) -> Iterator[Lap]:
    """Run the pass that a trial needs on each part of the race, the smallest first.

    None if there is no race, if the trial needs no pooled features, or if all of them are stored.
    """
    one = pass_of(config)
    if not task.race or one is None or not num_to_run(one, task.materials(device, store)):
        return
    head = probe_of(config)
    for percent, exams in zip(PERCENTS, task.race, strict=True):
        *_, last = cross_validate(head, task.part(exams), device, store)
        scores = np.full(task.data.labels.shape, np.nan, np.float32)
        scores[exams] = last.scores
        yield Lap(percent, replace(last, scores=scores))


def probe_of(config: TrialConfig) -> TrialConfig:
    """What a pass is judged by: the same head for all, on the features of all its stages."""
    stages = config.backbone.network.pooled_stages
    return TrialConfig(
        backbone=config.backbone,
        cut=FUSED if stages(FUSED) == stages(config.cut) else config.cut,
        normalization=config.normalization,
        image_size=config.image_size,
        resize=config.resize,
        views=config.views,
        **_HEAD,
    )
