"""Ray Tune: run trials on the cluster until there are enough."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.logger import TBXLoggerCallback

from search.run_folder import RunFolder
from search.tune.capacity import Resources
from search.tune.early_stopping import FoldStopping
from search.tune.study import StudySearch
from trainable.places import trial_name
from trainable.ray_worker import Shipment, run_trial
from trainable.trial import Task

# how often a trial may lose its worker or node before it is held to be the cause
_MAX_LOSSES = 3


class Ledger(tune.Callback):
    """Writes each trial to the run folder as it ends, before Optuna is told of it."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Keep the scores and the row of a trial that reports its last fold, or its error."""
        number, config = trial.config["number"], trial.config["trial"]
        if "error" in result:
            self._run.add_trial(number, "failed", config, {}, result["error"])
        elif (scores := result.pop("scores", None)) is not None:
            self._run.save_scores(number, np.frombuffer(scores, np.float32))
            metrics = {**result, "seconds": round(result["time_total_s"], 2)}
            self._run.add_trial(number, "complete", config, metrics)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep the row of a trial whose worker died each time."""
        text = f"lost its worker {trial.num_failures} times; the last time {why_lost(trial)}"
        self._run.add_trial(trial.config["number"], "failed", trial.config["trial"], {}, text)


def why_lost(trial: Trial) -> str:
    """Why and where a trial lost its worker, in a few words of Ray's long account."""
    account = Path(trial.error_file or os.devnull).read_text().rpartition("Failure # ")[2]
    why = re.search(r"because (its (?:worker process|node) has died)", account)
    where = re.search(r"\bip(?:v4)?: ?([\d.]+)", account)
    on = f" on {where[1]}" if where else ""
    return f"{why[1] if why else 'it cannot be reached'}{on}"


def run_trials(
    run: RunFolder,
    search: StudySearch,
    task: Task,
    shipment: Shipment | None,
    resources: Resources,
    num_trials: int,
    time_budget: timedelta | None,
    display: tune.Callback,
) -> None:
    """Run `num_trials` more trials, or as many as the time budget or Ctrl-C leaves."""
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, task=task, shipment=shipment),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_trials,
            search_alg=search,
            scheduler=FoldStopping(run, search, len(task.folds)) if search.stops_early else None,
            time_budget_s=time_budget,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_name(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            name="tensorboard",
            storage_path=str(run.path),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=_MAX_LOSSES),
            callbacks=[Ledger(run), display, TBXLoggerCallback()],
        ),
    )
    tuner.fit()
