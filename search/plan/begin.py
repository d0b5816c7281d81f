"""Begin a search in a new run folder, or resume the one of an earlier search."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.demo import demo
from search.options.options import RESUMABLE, SearchOptions
from search.plan.download import as_url, download_inputs
from search.plan.plan import SearchPlan
from search.plan.planner import plan_again, plan_search, require_space
from search.plan.space import load_space
from search.run.run_folder import RunFolder, new_run, resume_command
from search.run.warm_start import WarmStart
from search.space.files import dump_space, kept_space
from search.space.protocol import SearchSpace
from search.space.settings import SPACE_SETTINGS
from trainable.cohort.cohort import Cohort
from trainable.commands.stop import stop_signals
from trainable.config import TrialConfig
from trainable.errors import InputError, flag
from trainable.reading.moved_images import find_images

NOTHING_MADE = "No run folder was made."

_OF_SPACE = frozenset({"space", *SPACE_SETTINGS})


def begin(asked: SearchOptions, out: Path | None) -> tuple[RunFolder, SearchPlan]:
    """Plan a new search and write what it was asked; one that cannot start leaves no folder.

    The folder is this process's own before anything is looked at or written in it.

    Args:
        asked: Options of the command line.
        out: Folder to make; `runs/NAME`, after the data, if None.

    Raises:
        InputError: Naming every problem found.
        KeyboardInterrupt: At a stop signal.
    """
    data = asked.data
    if out is None:
        name = data.data.expanduser().absolute().stem if data.data else "search"
        run = new_run(name.replace(":", "-"))  # of demo:findings; not all disks take a colon
    else:
        run = RunFolder(out)
        run.claim()
    try:
        with interruptible(NOTHING_MADE):
            if asked.is_demo:
                require_space(asked)
                images = demo.write(run.path, data)
            else:
                images = download_inputs(data, asked.advanced.cache)
            plan = plan_search(asked, images)
        run.begin(plan.options, dump_space(plan.space), plan.cohort, plan.warm_start)
    except BaseException:
        run.discard()
        raise
    return run, plan


@contextlib.contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Let a stop signal end what has trained nothing yet, in a sentence that says what is left."""
    try:
        with stop_signals.released():
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped by {stop_signals.name}. {kept}") from None


def resume(asked: SearchOptions, out: Path | None, folder: Path) -> tuple[RunFolder, SearchPlan]:
    """Plan the search of a run folder once more, with options that may change.

    Args:
        asked: Options of the command line of now.
        out: Folder of the command line; it must be the run folder.
        folder: Run folder.

    Raises:
        InputError: Naming every option that must not change, or every problem found.
        KeyboardInterrupt: At a stop signal.
    """
    run = RunFolder(folder)
    options, cohort = run.open()
    space = kept_space(run.space_yaml)
    given = asked.given
    fixed = _differing(options, given, given.keys() - RESUMABLE - _OF_SPACE)
    if out is not None and out.expanduser().resolve() != run.path:
        fixed.append(f"--out {run.path}")
    if given.keys() & _OF_SPACE:
        again = load_space(options.replaced(given)).with_views(cohort.grouping.views)
        fixed += _differing_settings(space, again)
    if fixed:
        raise InputError(
            *(
                f"{text} cannot change when a search is resumed: drop the option, or start a new "
                "search"
                for text in fixed
            )
        )
    now = options.replaced({name: value for name, value in given.items() if name in RESUMABLE})
    with interruptible(f"{run.path} is as it was; go on with: {resume_command(run)}"):
        found = _find_images(cohort, now, moved="images" in given)
        plan = replace(plan_again(now, space, found), warm_start=WarmStart.load(run.path))
    if found is not cohort:
        found.save(run.path)
    return run, plan


def _find_images(cohort: Cohort, options: SearchOptions, *, moved: bool) -> Cohort:
    """The cohort with its images where they are now; they are downloaded again if need be."""
    data = options.data
    is_remote = as_url(data.data) or as_url(data.images)
    if not moved and (
        not is_remote or all(Path(path).is_file() for path in cohort.manifest["path"])
    ):
        return cohort
    local = download_inputs(data, options.advanced.cache)
    return find_images(cohort, (local.images or local.data or Path()).expanduser(), "--images")


def _differing(
    options: SearchOptions, given: Mapping[str, Any], names: Collection[str]
) -> list[str]:
    """Options among `names` that are given anew with another value, as they were."""
    return [
        f"{flag(name)} {options.value(name)}"
        for name, value in given.items()
        if name in names and value != options.value(name)
    ]


def _differing_settings(space: SearchSpace, again: SearchSpace) -> list[str]:
    """Settings of a search space that would not be what they were."""
    if space.to_dict() == again.to_dict():
        return []
    settings = [name for name in TrialConfig.model_fields if name != "views"]
    return [
        f"{setting}: {space.describe(setting)}"
        for setting in settings
        if space.describe(setting) != again.describe(setting)
    ] or ["the search space"]
