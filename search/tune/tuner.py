"""Ray Tune: run trials on the cluster until there are enough."""

import traceback
from datetime import timedelta

from ray import tune

from search.options.options import ToolOptions
from search.run.run_folder import RunFolder
from search.run.trial_log import ENDED
from search.tune.capacity import Resources
from search.tune.early_stopping import FoldStopping
from search.tune.ending import Ended, Ending
from search.tune.loggers import loggers
from search.tune.recorder import Recorder
from search.tune.study import StudySearch
from search.tune.watch import Watch
from trainable.commands.stop import stop_signals
from trainable.run.places import trial_name
from trainable.trial.cross_validation import Task
from trainable.trial.ray_worker import Shipment, run_trial

# how often a trial may lose its worker or node before it is held to be the cause
_MAX_LOSSES = 3
_NO_TOOLS = ToolOptions()


def run_trials(
    run: RunFolder,
    search: StudySearch,
    task: Task,
    shipment: Shipment | None,
    resources: Resources,
    num_trials: int,
    time_budget: timedelta | None,
    display: tune.Callback,
    trial_timeout: timedelta | None = None,
    tools: ToolOptions = _NO_TOOLS,
) -> Ended:
    """Run `num_trials` more trials, or as many as the time budget or a stop signal leaves.

    An error that ends all trials is kept in the run folder, in `errors/search.txt`.

    Args:
        run: Folder of the run.
        search: Proposes the configurations.
        task: Everything that all trials share.
        shipment: Images and weights for the nodes of a cluster.
        resources: Resources of each trial.
        num_trials: Number of trials to run.
        time_budget: Longest time for all of them.
        display: What a person sees meanwhile.
        trial_timeout: Longest time without a report; None for ten times the longest so far.
        tools: Other tools that see the trials too.

    Returns:
        Why no more trials run.

    Raises:
        DiskError: If the disk of the run folder refuses what has to be kept.
    """
    num_folds = len(task.folds)
    ending, watch = Ending(num_folds, time_budget), Watch(trial_timeout)
    scheduler = (
        FoldStopping(num_folds, earlier_reports(run, num_folds)) if search.stops_early else None
    )
    recorder = Recorder(run, num_folds, ending, watch)
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, task=task, shipment=shipment),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_trials,
            search_alg=search,
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial_name(trial.config["number"]),
            trial_name_creator=lambda trial: trial_name(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            name="tensorboard",
            storage_path=str(run.path),
            verbose=0,
            stop=ending,
            failure_config=tune.FailureConfig(max_failures=_MAX_LOSSES),
            callbacks=[watch, recorder, display, *loggers(tools, run)],
        ),
    )
    try:
        tuner.fit()
    except Exception:  # of Ray, or of a file that could not be written
        if ending.error is None:
            run.log.keep_account("search", traceback.format_exc())
            ending.why = "interrupt" if stop_signals.received else "error"
    if ending.error is not None:
        raise ending.error
    return ending.why


def earlier_reports(run: RunFolder, num_folds: int) -> list[tuple[int, int, float]]:
    """Number, fold and objective of each report in this run, but of trials that run again."""
    states = run.log.states()
    kept = [row for row in run.folds.rows() if states.get(row[0]) in ENDED]
    table = run.log.table()
    complete = table[table["state"] == "complete"]
    ends = zip(complete["number"].tolist(), complete["objective"].tolist(), strict=True)
    return kept + [(number, num_folds, objective) for number, objective in ends]
