"""Choose the winner of a run and say in `winner.json` what it is and what it is worth."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from search.prepare import SearchPlan
from search.run_folder import RunFolder, write_json
from search.winner.selection import Selection, select
from trainable.backbones.table import find_backbone
from trainable.config import TrialConfig
from trainable.evaluation.metrics import all_positive_f1, evaluate
from trainable.model.network import build_network, count_parameters

FORMAT = 3


def write_winner(run: RunFolder, prepared: SearchPlan) -> dict[str, Any] | None:
    """Choose among the complete trials, and judge the choice.

    Returns:
        What was written to `winner.json`; None, and nothing written, if no trial completed.
    """
    trials = run.trials()
    complete = trials[trials["state"] == "complete"].sort_values("number")
    if complete.empty:
        return None
    scoring, task = prepared.options.scoring, prepared.task
    rows = complete.to_dict("records")
    configs = [_config(row) for row in rows]
    scores = np.stack([run.scores(row["number"]) for row in rows])
    scored = ~np.isnan(scores).any(axis=0)
    labels, scores = task.data.labels[scored], scores[:, scored]
    found = select(
        labels,
        prepared.cohort.patients[scored],
        scores,
        task.threshold,
        task.f1_average,
        (1,),
        [complexity(config) for config in configs] if scoring.prefer_simple else None,
        seed=task.seed,
    )
    winner = {
        "format": FORMAT,
        "trial": rows[found.members[0]]["number"],
        "config": configs[found.members[0]].model_dump(),
        "num_steps": int(rows[found.members[0]]["num_steps"]),
        "threshold": found.threshold,
        "threshold_policy": scoring.threshold,
        "f1_average": task.f1_average,
        "out_of_fold": evaluate(labels, scores[found.members[0]], found.threshold, task.f1_average),
        "corrected": {
            "f1": found.corrected_f1,
            "interval": found.interval,
            "optimism": found.optimism,
        },
        "tied": [
            {
                "trial": rows[row]["number"],
                "f1": rows[row]["f1"],
                "config": configs[row].model_dump(),
                "num_steps": int(rows[row]["num_steps"]),
            }
            for row in found.tied
        ],
        "preferred_simple": scoring.prefer_simple,
        "all_positive_f1": all_positive_f1(labels, task.f1_average),
        "num_trials": len(rows),
        "weights": {
            "kind": task.weights.kind,
            "fingerprints": _fingerprints(prepared, configs, found),
        },
        "statistics": dataclasses.asdict(task.data.statistics),
        "seed": task.seed,
        "versions": {name: version(name) for name in ("torch", "torchvision", "pillow")},
    }
    write_json(run.winner_json, winner)
    return winner


def _config(row: Mapping[Any, Any]) -> TrialConfig:
    return TrialConfig(**{name: row[name] for name in TrialConfig.model_fields})


def complexity(config: TrialConfig) -> tuple[int, int]:
    """What sorts configurations from the simplest: trained parameters, then all of them."""
    count = count_parameters(build_network(_any_model(config.backbone).requires_grad_(), config))
    return count.trainable, count.total


@functools.cache
def _any_model(backbone: str) -> nn.Module:
    """A network of this backbone, to count; torchvision cannot build RegNet on the meta device."""
    return find_backbone(backbone).build()


def _fingerprints(
    prepared: SearchPlan, configs: list[TrialConfig], found: Selection
) -> dict[str, str]:
    """What names the weights of every backbone that may be retrained."""
    used = {configs[row].backbone for row in found.tied}
    fingerprints = prepared.task.weights.fingerprints
    return {name: fingerprints[name] for name in sorted(used)}


def describe_winner(
    winner: dict[str, Any], trials: pd.DataFrame, *, is_sampled: bool
) -> Iterator[str]:
    """What a user should know of the winner, a line each.

    Args:
        winner: as `write_winner` gives it.
        trials: of the run.
        is_sampled: whether the space was sampled, and so began with the assignment's configuration.
    """
    found, corrected = winner["out_of_fold"], winner["corrected"]
    low, high = corrected["interval"]
    yield (
        f"winner: trial {winner['trial']} among {winner['num_trials']} complete; expect an F1 of "
        f"{corrected['f1']:.3f} on new patients, 95 % interval {low:.3f} to {high:.3f}"
    )
    yield (
        f"  out-of-fold F1 {found['f1']:.3f} at a threshold of {winner['threshold']:.3f}, of which "
        f"{corrected['optimism']:.3f} is the luck of being the best of {winner['num_trials']}"
    )
    yield (
        f"  every image positive: F1 {winner['all_positive_f1']:.3f}; the winner's AUC "
        f"{found['auc']:.3f}, average precision {found['average_precision']:.3f}"
    )
    yield (
        f"  TP {found['tp']:.0f}  FN {found['fn']:.0f}  FP {found['fp']:.0f}  TN "
        f"{found['tn']:.0f}; precision {found['precision']:.3f}, recall {found['recall']:.3f}, "
        f"specificity {found['specificity']:.3f}"
    )
    first = trials[(trials["number"] == 0) & (trials["state"] == "complete")]
    if is_sampled and len(first):
        yield f"  the assignment's own configuration (trial 0): F1 {first['f1'].iloc[0]:.3f}"
    others = len(winner["tied"]) - 1
    if winner["preferred_simple"]:
        best = winner["tied"][0]
        yield (
            f"  it is the simplest of {others + 1} trials that cannot be told from the best one, "
            f"trial {best['trial']} (F1 {best['f1']:.3f})"
        )
    elif others:
        yield (
            f"  {others} other trials cannot be told from it; --resume with --prefer-simple takes "
            "the simplest of them all"
        )
