"""The best trial of each encoder, or of each body: how good, how sure, and at what cost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from search.results.run_result import RunResult
from trainable.backbones.encoder import Encoder
from trainable.backbones.start import read_start, short_start
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import f1_at, of_scores

TIED = "tied"
PASSES = "passed"
SECONDS = "CPU s"


def by_encoder(result: RunResult) -> pd.DataFrame:
    """One row per encoder with a complete trial, the best first.

    The costs are those of all trials of the encoder, whatever they ended with.
    """
    best = best_of_each(result, ["backbone"])
    costs = result.trials.groupby("backbone")[["num_forwarded", "seconds"]].sum()
    costs = costs.loc[best["backbone"]]
    rows = {
        "network": [Encoder.read(name).short_name for name in best["backbone"]],
        "weights": [short_start(read_start(text)) for text in best["weights"]],
        **{name: list(best[name]) for name in ("trial", "F1", "95 % interval", "AUC", TIED)},
        PASSES: [f"{count:,.0f}" for count in costs["num_forwarded"]],
        SECONDS: [
            f"{cpu:,.0f}" for cpu in costs["seconds"] * result.options.compute.cpus_per_trial
        ],
    }
    return pd.DataFrame(rows)


def by_body(result: RunResult) -> pd.DataFrame:
    """One row per encoder and cut with a complete trial, the best first."""
    best = best_of_each(result, ["backbone", "cut"]).drop(columns="weights")
    return best.assign(backbone=[Encoder.read(name).short for name in best["backbone"]])


def best_of_each(result: RunResult, settings: Sequence[str]) -> pd.DataFrame:
    """The best complete trial for each value of some settings, out of fold, the best first."""
    tied = {trial.trial for trial in result.winner.tied}
    best = result.complete.drop_duplicates(list(settings))
    average = result.winner.scoring.f1_average
    metrics, rows = {}, []
    row: Any
    for row in best.itertuples():
        scores = result.run.log.scores(row.number)[result.rows]
        at_threshold = f1_at(np.array([row.threshold], np.float32), average)
        metrics[str(row.number)] = of_scores(scores, at_threshold)
    found = estimate(result.scored, metrics)
    for row in best.itertuples():
        f1 = found[str(row.number)]
        rows.append(
            {
                **{name: getattr(row, name) for name in settings},
                "weights": row.weights,
                "trial": row.number,
                "head": row.head,
                "F1": row.f1,
                "95 % interval": f"{f1.low:.3f} to {f1.high:.3f}",
                "AUC": row.auc,
                TIED: "yes" if row.number in tied else "no",
            }
        )
    return pd.DataFrame(rows)
