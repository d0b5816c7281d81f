"""Choose the winner of a run and say in `winner.json` what it is and what it scored."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pandas as pd

from search.run_folder import RunFolder, write_json
from search.settings import SearchSettings
from trainable.config import TrialConfig
from trainable.cross_validation import Task
from trainable.metrics import THRESHOLD, all_positive_f1

FORMAT = 1


def write_winner(run: RunFolder, settings: SearchSettings, task: Task) -> dict[str, Any] | None:
    """Choose the complete trial with the best F1, the earliest among equals.

    Returns:
        What was written to `winner.json`; None, and nothing written, if no trial completed.
    """
    trials = run.trials()
    complete = trials[trials["state"] == "complete"]
    if complete.empty:
        return None
    best = complete.sort_values(["f1", "number"], ascending=[False, True]).iloc[0]
    row = {name: value.item() if hasattr(value, "item") else value for name, value in best.items()}
    metrics = ("f1", "auc", "average_precision", "precision", "recall", "specificity")
    winner = {
        "format": FORMAT,
        "trial": row["number"],
        "config": {name: row[name] for name in TrialConfig.model_fields},
        "threshold": THRESHOLD,
        "f1_average": settings.f1_average,
        "out_of_fold": {name: row[name] for name in (*metrics, "tp", "fn", "fp", "tn")},
        "all_positive_f1": all_positive_f1(task.labels, settings.f1_average),
        "num_trials": len(complete),
        "weights": {
            "kind": task.weights.kind,
            "fingerprint": task.weights.fingerprints[row["backbone"]],
        },
        "statistics": {"mean": task.statistics.mean, "std": task.statistics.std},
        "seed": settings.seed,
        "versions": {name: version(name) for name in ("torch", "torchvision", "pillow")},
    }
    write_json(run.winner_json, winner)
    return winner


def describe_winner(winner: dict[str, Any], trials: pd.DataFrame) -> Iterator[str]:
    """What a user should know of the winner, a line each."""
    found = winner["out_of_fold"]
    yield (
        f"winner: trial {winner['trial']} of {winner['num_trials']}, out-of-fold F1 "
        f"{found['f1']:.3f} (every image positive: {winner['all_positive_f1']:.3f}), "
        f"AUC {found['auc']:.3f}"
    )
    yield (
        f"  TP {found['tp']:.0f}  FN {found['fn']:.0f}  FP {found['fp']:.0f}  TN "
        f"{found['tn']:.0f}; precision {found['precision']:.3f}, recall {found['recall']:.3f}, "
        f"specificity {found['specificity']:.3f}"
    )
    first = trials[(trials["number"] == 0) & (trials["state"] == "complete")]
    if len(first):
        yield f"  the assignment's own configuration (trial 0): F1 {first['f1'].iloc[0]:.3f}"
    yield (
        f"  the best of {winner['num_trials']} scores is above what the winner will reach on new "
        "images: some of it is luck"
    )
