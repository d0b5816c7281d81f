"""Ray Tune: run trials on the cluster until there are enough."""

import time
import traceback
from collections.abc import Iterator

from ray import tune

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.run.trial_log import ENDED
from search.space.protocol import SearchSpace
from search.tune.callbacks import Progress, TrialLogger, View
from search.tune.capacity import Capacity, Resources, resources_per_trial
from search.tune.loggers import loggers
from search.tune.race import Race
from search.tune.scheduler import Ended, FoldASHA, ReportTimeout, SearchStopper
from search.tune.study import StudySearch, open_study, reconcile, repair_log
from trainable.commands.stop import stop_signals
from trainable.run.places import trial_name
from trainable.trial.ray_worker import Shipment, run_trial, ship

# how often a trial may lose its worker or node before it is held to be the cause
_MAX_LOSSES = 3
# the curves of each trial, in a folder of its own
_EVENTS = "tensorboard"


def run_trials(plan: SearchPlan, run: RunFolder, view: View) -> Ended:
    """Run the trials of a search that are missing, or as many as its budget or a signal leaves.

    Args:
        plan: What is searched.
        run: Folder of the run, which this process holds.
        view: What a person sees meanwhile.

    Returns:
        Why no more trials run.

    Raises:
        DiskError: If the disk of the run folder refuses what has to be kept.
        InputError: If no node has what a trial asks for.
    """
    compute, budget = plan.options.compute, plan.options.run.time_budget
    resources = resources_per_trial(
        compute.cpus_per_trial, compute.gpus_per_trial, plan.trial_bytes
    )
    space = plan.space_here(has_gpu=resources.gpus > 0)
    repair_log(run)
    start = plan.warm_start
    study = open_study(run, space, start.search.queued if start else ())
    reconcile(run, study)
    for line in (*_notes(space, resources), ""):
        view.say(line)
    ends_at = None if budget is None else time.monotonic() + budget.total_seconds()
    shipment: Shipment | None = None
    why_ended: Ended = "all"
    before = -1
    # once more for trials that were lost before they began, as long as others end
    while why_ended == "all" and before < run.log.num_ended() < plan.num_trials:
        before = run.log.num_ended()
        if compute.address and shipment is None:
            shipment = ship(plan.task, plan.pixels)
        display = Progress(view, ends_at)
        why_ended = run_session(plan, run, resources, display, shipment, ends_at)
        reconcile(run, study)
    return why_ended


def _notes(space: SearchSpace, resources: Resources) -> Iterator[str]:
    """What the devices mean for the trials, a line each."""
    if not resources.gpus:
        yield f"no GPU: trials run on CPUs; stages trained: {space.describe('unfreeze')}"
    elif resources.gpus > 1 and 0 in space.values("unfreeze"):
        yield (
            f"note: trials that train no stage use one of their {resources.gpus:g} GPUs; "
            "leave them out with --unfreeze 1,2,all"
        )


def run_session(
    plan: SearchPlan,
    run: RunFolder,
    resources: Resources,
    display: tune.Callback,
    shipment: Shipment | None = None,
    ends_at: float | None = None,
) -> Ended:
    """Run Ray Tune once for the trials that are missing; some may be lost before they begin.

    An error that ends all trials is kept in the run folder, in `errors/search.txt`.

    Args:
        plan: What is searched.
        run: Folder of the run.
        resources: Resources of each trial.
        display: What a person sees meanwhile.
        shipment: Images and weights for the nodes of a cluster.
        ends_at: End of the time budget by `time.monotonic`.

    Returns:
        Why no more trials run.

    Raises:
        DiskError: If the disk of the run folder refuses what has to be kept.
    """
    num_folds, labels = len(plan.task.folds), plan.task.data.labels
    capacity = Capacity(resources, plan.options.advanced.max_concurrent)
    space = plan.space_here(has_gpu=resources.gpus > 0)
    race = Race.of(plan.task.race, labels, plan.first_configs, run.log, run.race)
    search = StudySearch(space, run, plan.task.seed, capacity, race)
    stopper = SearchStopper(num_folds, ends_at)
    timeout = ReportTimeout(plan.options.run.trial_timeout)
    earlier = earlier_reports(run, num_folds)
    scheduler = FoldASHA(num_folds, earlier, race) if space.stops_early else None
    logger = TrialLogger(run, num_folds, labels.shape[1], stopper, timeout)
    carried = tune.with_parameters(run_trial, task=plan.task, shipment=shipment)
    trainable = tune.with_resources(carried, resources.as_asked())
    tuner = tune.Tuner(
        trainable,
        tune_config=_tune_config(plan.num_trials - run.log.num_ended(), search, scheduler),
        run_config=tune.RunConfig(
            name=_EVENTS,
            storage_path=str(run.path),
            verbose=0,
            stop=stopper,
            failure_config=tune.FailureConfig(max_failures=_MAX_LOSSES),
            callbacks=[timeout, logger, display, *loggers(plan.options.tools, run)],
        ),
    )
    try:
        tuner.fit()
    except Exception:  # of Ray, or of a file that could not be written
        if stopper.error is None:
            run.log.keep_account("search", traceback.format_exc())
            stopper.why = "interrupt" if stop_signals.received else "error"
    _remove_state(run)
    if stopper.error is not None:
        raise stopper.error
    return stopper.why


def _remove_state(run: RunFolder) -> None:
    """Remove Tune's own state, which holds pickles; a resume reads our files alone."""
    for path in (run.path / _EVENTS).glob("*"):
        if path.is_file():
            path.unlink()


def _tune_config(
    num_trials: int, search: StudySearch, scheduler: FoldASHA | None
) -> tune.TuneConfig:
    """How Tune takes and names the missing trials."""
    return tune.TuneConfig(
        num_samples=num_trials,
        search_alg=search,
        scheduler=scheduler,
        reuse_actors=True,
        trial_dirname_creator=lambda trial: trial_name(trial.config["number"]),
        trial_name_creator=lambda trial: trial_name(trial.config["number"]),
    )


def earlier_reports(run: RunFolder, num_folds: int) -> list[tuple[int, int, float]]:
    """Number, fold and objective of each report in this run, but of trials that run again."""
    states = run.log.states()
    kept = [row for row in run.folds.rows() if states.get(row[0]) in ENDED]
    table = run.log.table()
    complete = table[table["state"] == "complete"]
    ends = zip(complete["number"].tolist(), complete["objective"].tolist(), strict=True)
    return kept + [(number, num_folds, objective) for number, objective in ends]
