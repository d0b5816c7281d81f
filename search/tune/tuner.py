"""Ray Tune: run trials on the cluster until there are enough."""

import traceback
from datetime import timedelta

from ray import tune
from ray.tune.logger import TBXLoggerCallback

from search.run_folder import RunFolder
from search.tune.capacity import Resources
from search.tune.early_stopping import FoldStopping
from search.tune.ending import Ended, Ending
from search.tune.recorder import Recorder
from search.tune.study import StudySearch
from trainable.commands.stop import stop_signals
from trainable.places import trial_name
from trainable.ray_worker import Shipment, run_trial
from trainable.trial import Task

# how often a trial may lose its worker or node before it is held to be the cause
_MAX_LOSSES = 3


def run_trials(
    run: RunFolder,
    search: StudySearch,
    task: Task,
    shipment: Shipment | None,
    resources: Resources,
    num_trials: int,
    time_budget: timedelta | None,
    display: tune.Callback,
) -> Ended:
    """Run `num_trials` more trials, or as many as the time budget or a stop signal leaves.

    An error that ends all trials is kept in the run folder, in `errors/search.txt`.

    Returns:
        Why no more trials run.
    """
    num_folds = len(task.folds)
    ending = Ending(num_folds, time_budget)
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, task=task, shipment=shipment),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_trials,
            search_alg=search,
            scheduler=FoldStopping(num_folds) if search.stops_early else None,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_name(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            name="tensorboard",
            storage_path=str(run.path),
            verbose=0,
            stop=ending,
            failure_config=tune.FailureConfig(max_failures=_MAX_LOSSES),
            callbacks=[Recorder(run.log, num_folds), display, TBXLoggerCallback()],
        ),
    )
    try:
        tuner.fit()
    except Exception:  # of Ray, or of a file that could not be written
        run.log.keep_account("search", traceback.format_exc())
        ending.why = "interrupt" if stop_signals.received else "error"
    return ending.why
