"""Choose the winner of a run, and write to `winner.json` what it is and what it is worth."""

import functools
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.run.trial_log import config_of
from search.winner.selection import TEAM_SIZES, Selection, select
from trainable.backbones.find import find_backbone
from trainable.backbones.weights import Weights
from trainable.config import TrialConfig
from trainable.evaluation.metrics import all_positive_f1, evaluate
from trainable.model.network import count_parameters
from trainable.run.winner import (
    FORMAT,
    CorrectedF1,
    Member,
    TiedTrial,
    UsedWeights,
    Winner,
    save_winner,
    team_scores,
)
from trainable.trial.fresh_network import build_network


def write_winner(run: RunFolder, plan: SearchPlan) -> Winner | None:
    """Choose among the complete trials, and write the choice and its worth to `winner.json`.

    Returns:
        The winner; None, and nothing written, if no trial completed.
    """
    trials = run.log.table()
    complete = trials[trials["state"] == "complete"].sort_values("number")
    if complete.empty:
        return None
    scoring, task = plan.options.scoring, plan.task
    rows = complete.to_dict("records")
    configs = [config_of(row) for row in rows]
    scores = np.stack([run.log.scores(row["number"]) for row in rows])
    scored = ~np.isnan(scores).any(axis=0)
    labels, scores = task.data.labels[scored], scores[:, scored]
    found = select(
        labels,
        plan.cohort.patients[scored],
        scores,
        task.threshold,
        task.f1_average,
        TEAM_SIZES if scoring.team is None else (scoring.team,),
        [complexity(config) for config in configs] if scoring.prefer_simple else None,
        _kinds(configs),
        complete["number"].to_numpy() < len(plan.space_here(has_gpu=False).first_trials()),
        seed=task.seed,
        objective=task.objective,
    )
    mean_scores = team_scores(scores[list(found.members)])
    winner = Winner(
        format=FORMAT,
        members=tuple(
            _member(rows[row], configs[row], threshold)
            for row, threshold in zip(found.members, found.own_thresholds, strict=True)
        ),
        threshold=found.threshold,
        threshold_policy=task.threshold,
        f1_average=task.f1_average,
        objective=task.objective,
        out_of_fold=evaluate(labels, mean_scores, found.threshold, task.f1_average),
        corrected=CorrectedF1(
            f1=found.corrected_f1, interval=found.interval, optimism=found.optimism
        ),
        tied=tuple(_tied(rows[row], configs[row]) for row in found.tied),
        preferred_simple=scoring.prefer_simple,
        all_positive_f1=all_positive_f1(labels, task.f1_average),
        num_trials=len(rows),
        weights=_used_weights(task.weights, configs, found),
        statistics=task.data.statistics,
        seed=task.seed,
        versions={name: version(name) for name in ("torch", "torchvision", "pillow")},
    )
    save_winner(winner, run.path)
    return winner


def _kinds(configs: Sequence[TrialConfig]) -> NDArray[np.int64]:
    """Trials of one backbone and cut share a number."""
    names = [f"{config.backbone} to {config.cut}" for config in configs]
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def _member(row: Mapping[Any, Any], config: TrialConfig, threshold: float) -> Member:
    return Member(
        trial=row["number"], config=config, num_steps=int(row["num_steps"]), threshold=threshold
    )


def _tied(row: Mapping[Any, Any], config: TrialConfig) -> TiedTrial:
    return TiedTrial(
        trial=row["number"], config=config, num_steps=int(row["num_steps"]), f1=row["f1"]
    )


def complexity(config: TrialConfig) -> tuple[int, int]:
    """Sorts configurations from the simplest: by trained parameters, then by all parameters."""
    count = count_parameters(build_network(_any_model(config.backbone).requires_grad_(), config))
    return count.trainable, count.total


@functools.cache
def _any_model(backbone: str) -> nn.Module:
    """A network of this backbone, to count; torchvision cannot build RegNet on the meta device."""
    return find_backbone(backbone).build()


def _used_weights(weights: Weights, configs: list[TrialConfig], found: Selection) -> UsedWeights:
    """The weights of every backbone that may be retrained."""
    used = sorted({configs[row].backbone for row in (*found.members, *found.tied)})
    return UsedWeights(
        kind=weights.kind,
        fingerprints={name: weights.fingerprints[name] for name in used},
        licences={name: weights.licence_of(name) for name in used},
    )
