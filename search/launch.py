"""One search from command line to winner: check everything, run the trials, say what was found."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from search import demo
from search.prepare import SearchPlan, prepare
from search.remote import download_inputs
from search.report.display import SearchDisplay, best_table
from search.report.experiments import describe_experiments
from search.run_folder import RunFolder, new_run_path
from search.settings import DEMO, RESUMABLE, SPACE_OPTIONS, SearchOptions
from search.space.files import dump_space, kept_space, read_space
from search.space.grid import Grid
from search.space.presets import with_preset
from search.space.space import Space
from search.tune.capacity import Capacity, resources_per_trial
from search.tune.study import StudySearch, num_ended, open_study, reconcile
from search.tune.tuner import run_trials
from search.winner.held_out import evaluate_on_test
from search.winner.winner import describe_winner, write_winner
from trainable.errors import InputError
from trainable.ray_worker import ship

_OF_SPACE = frozenset({"space", *SPACE_OPTIONS})


def launch(
    settings: SearchOptions | None,
    out: Path | None,
    resume: Path | None,
    console: Console,
    wait_for_cluster: Callable[[], None],
) -> int:
    """Run or resume a search on the cluster that is being started or joined.

    Returns:
        Exit status: 0 with a winner, 1 if no trial completed, 130 after Ctrl-C.

    Raises:
        InputError: before anything is trained, naming every problem found.
    """
    with console.status("reading images and weights, starting Ray"):
        if resume is None:
            run, prepared = _begin(settings or SearchOptions(), out, wait_for_cluster)
        else:
            run, prepared = _go_on(settings, out, resume)
            wait_for_cluster()
    for line in (*prepared.describe(), f"run folder: {run.path}"):
        console.print(line, highlight=False, soft_wrap=True)
    interrupted = _run(run, prepared, console)
    return _conclude(run, prepared, interrupted, console)


def _begin(
    settings: SearchOptions, out: Path | None, wait_for_cluster: Callable[[], None]
) -> tuple[RunFolder, SearchPlan]:
    name = settings.data.expanduser().resolve().stem if settings.data else "search"
    run = RunFolder(out or new_run_path(name))
    if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
        raise InputError(
            f"--out must be a new folder; there is something at {run.path}. "
             "Go on with it by --resume, or name another"
        )  # fmt: skip
    settings = with_preset(settings)
    # a search that cannot start leaves no folder
    with contextlib.ExitStack() as undo:
        if settings.data == DEMO:
            settings = demo.with_defaults(settings)
            undo.callback(demo.remove, run.path)
            demo.write(run.path)
            prepared = prepare(settings, demo.source(run.path))
        else:
            prepared = prepare(settings, download_inputs(settings))
        wait_for_cluster()
        undo.pop_all()
    run.write_space(dump_space(prepared.asked))
    run.create(prepared.settings, prepared.cohort)
    return run, prepared


def _go_on(
    changes: SearchOptions | None, out: Path | None, resume: Path
) -> tuple[RunFolder, SearchPlan]:
    run = RunFolder(resume)
    settings, cohort = run.open()
    asked = {name: getattr(changes, name) for name in changes.model_fields_set} if changes else {}
    fixed = _differing(settings, asked, asked.keys() - RESUMABLE - _OF_SPACE)
    if out is not None and out.expanduser().resolve() != run.path:
        fixed.append(f"--out {run.path}")
    space = kept_space(run.space_yaml)
    if isinstance(space, Grid):
        fixed += _differing(settings, asked, _OF_SPACE)
    elif asked.keys() & _OF_SPACE:
        again = read_space(settings.model_copy(update=asked)).to_dict()
        fixed += [
            f"{setting}: {value} in {run.space_yaml}, not {again[setting]}"
            for setting, value in space.to_dict().items()
            if value != again[setting]
        ]
    if fixed:
        raise InputError(
            *(
                f"{text} cannot change when a search is resumed, since its scores depend on it. "
                "Drop the option, or start a new search"
                for text in fixed
            )
        )
    if not all(Path(path).is_file() for path in cohort.manifest["path"]):
        download_inputs(settings)  # once more: the cache has been emptied
    kept = {name: value for name, value in asked.items() if name not in _OF_SPACE}
    return run, prepare(settings.model_copy(update=kept), cohort, space)


def _differing(
    settings: SearchOptions, asked: Mapping[str, Any], names: Collection[str]
) -> list[str]:
    """Options among `names` that are asked for anew with another value, as they were."""
    return [
        f"--{name.replace('_', '-')} {getattr(settings, name)}"
        for name, value in asked.items()
        if name in names and value != getattr(settings, name)
    ]


def _run(run: RunFolder, prepared: SearchPlan, console: Console) -> bool:
    """Run the trials that are missing; True if Ctrl-C ended them."""
    settings = prepared.settings
    resources = resources_per_trial(settings.cpus_per_trial, settings.gpus_per_trial)
    has_gpu = resources.gpus > 0
    space = prepared.space(has_gpu=has_gpu)
    study = open_study(run, space)
    reconcile(run, study)
    missing = settings.trials - num_ended(run)
    if not has_gpu:
        stages = space.describe("unfreeze")
        console.print(f"no GPU: trials run on CPUs; stages trained: {stages}", highlight=False)
    elif resources.gpus > 1 and "none" in space.values("unfreeze"):
        console.print(
            f"note: trials that train no stage use one of their {resources.gpus:g} GPUs; "
            "leave them out with --unfreeze one,two,all", highlight=False,
        )  # fmt: skip
    console.print()
    if missing <= 0:
        return False
    capacity = Capacity(resources, settings.max_concurrent)
    search = StudySearch(space, run, settings.seed, len(prepared.task.folds), capacity)
    shipment = ship(prepared.task, prepared.pixels) if settings.address else None
    display = SearchDisplay(run, settings.trials, console)
    end = math.inf
    if settings.time_budget is not None:
        end = time.monotonic() + settings.time_budget.total_seconds()
    budget = settings.time_budget
    run_trials(run, search, prepared.task, shipment, resources, missing, budget, display)
    reconcile(run, study)
    return num_ended(run) < settings.trials and time.monotonic() < end


def _conclude(run: RunFolder, prepared: SearchPlan, interrupted: bool, console: Console) -> int:
    settings = prepared.settings
    winner = write_winner(run, prepared)
    trials = run.trials()
    ended = num_ended(run)
    say = functools.partial(console.print, highlight=False, soft_wrap=True, markup=False)
    if num_failed := int((trials["state"] == "failed").sum()):
        say(f"{num_failed} of {ended} trials failed; their errors are in {run.trials_csv}")
    if ended < settings.trials:
        why = "Ctrl-C" if interrupted else f"the time budget of {settings.time_budget}"
        say(f"{why} ended the search after {ended} of {settings.trials} trials; go on with:")
        say(f"  cxr-search --resume {run.path}")
    if winner is None:
        say("no trial completed, so there is no winner")
        return 130 if interrupted else 1
    say()
    if isinstance(prepared.asked, Grid):
        study = open_study(run, prepared.asked)
        for line in describe_experiments(run, prepared, prepared.asked, study):
            say(line)
    else:
        console.print(best_table(trials))
    say()
    for line in describe_winner(winner, trials, is_sampled=isinstance(prepared.asked, Space)):
        say(line)
    if ended >= settings.trials:
        # test rows are looked at once, when there is no more to choose
        for line in evaluate_on_test(run, prepared, winner):
            say(line)
    if settings.data == DEMO:
        say(demo.describe_best_possible(run.path))
    new = "FOLDER" if prepared.cohort.grouping.views == 1 else "CSV"
    say(f"\npredict with: cxr-predict {run.path} --images {new}")
    return 130 if interrupted else 0
