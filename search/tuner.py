"""Ray Tune: start or join a cluster, and run trials on it until there are enough."""

import contextlib
import logging
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from ray.tune.logger import TBXLoggerCallback

from search.early_stopping import FoldStopping
from search.run_folder import RunFolder
from search.study import StudySearch
from trainable.cross_validation import Task
from trainable.problems import InputProblemsError
from trainable.trial import run_trial


@dataclass(frozen=True)
class Resources:
    """What one trial is given, and how many trials that allows at once."""

    cpus: int
    gpus: float
    num_concurrent: int


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join a Ray cluster, or start one on this machine, for as long as the context lasts."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    # the errors of trials are kept in the ledger, and the display says how many there are
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray.init(
        address=address or "local",
        include_dashboard=False if address is None else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    # a scheduler's SIGTERM ends a search as Ctrl-C does, and not in Ray's crash handler
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        ray.shutdown()


def allot(cpus: int, gpus: float) -> Resources:
    """Share the cluster among trials; without any GPU a trial is given none.

    Raises:
        InputProblemsError: if no node of the cluster has what one trial asks for.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("GPU", 0) for node in nodes):
        gpus = 0.0
    fits = [
        min(
            int(node.get("CPU", 0) // cpus),
            int(node.get("GPU", 0) / gpus + 1e-9) if gpus else int(node.get("CPU", 0) // cpus),
        )
        for node in nodes
    ]
    if not sum(fits):
        has = "; ".join(
            f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes
        )
        raise InputProblemsError(
            [
                f"a trial must fit on one node; it asks for {cpus} CPUs and {gpus:g} GPUs, the "
                f"nodes have {has}. Ask for less with --cpus-per-trial or --gpus-per-trial"
            ]
        )
    return Resources(cpus, gpus, sum(fits))


class Ledger(tune.Callback):
    """Writes each trial to the run folder as it ends, before Optuna is told of it."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Keep the scores and the row of a trial that reports its last fold."""
        scores = result.pop("scores", None)
        if scores is None:
            return
        number = trial.config["number"]
        self._run.save_scores(number, np.frombuffer(scores, np.float32))
        metrics = {**result, "seconds": round(result["time_total_s"], 2)}
        self._run.add_trial(number, "complete", trial.config["trial"], metrics)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep the row of a trial that failed, with the error that it died of."""
        text = "unknown"
        if trial.pickled_error_file:
            # written by this process a moment ago; the copy in the run folder comes later
            error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
            cause = getattr(error, "cause", None) or error
            text = "".join(traceback.format_exception_only(cause)).strip()
        self._run.add_trial(trial.config["number"], "failed", trial.config["trial"], {}, text)


def run_trials(
    run: RunFolder,
    search: StudySearch,
    task: Task,
    resources: Resources,
    num_trials: int,
    time_budget: timedelta | None,
    display: tune.Callback,
) -> None:
    """Run `num_trials` more trials, or as many as the time budget or Ctrl-C leaves."""
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, task=task), {"cpu": resources.cpus, "gpu": resources.gpus}
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_trials,
            search_alg=search,
            scheduler=FoldStopping(run, search, len(task.folds)),
            max_concurrent_trials=resources.num_concurrent,
            time_budget_s=time_budget,
            reuse_actors=True,
            trial_dirname_creator=_directory_name,
        ),
        run_config=tune.RunConfig(
            name="tensorboard",
            storage_path=str(run.path),
            verbose=0,
            callbacks=[Ledger(run), display, TBXLoggerCallback()],
        ),
    )
    tuner.fit()


def _directory_name(trial: Trial) -> str:
    return f"trial_{trial.config['number']:05d}"
