"""Begin a search in a new run folder, or resume the one of an earlier search."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from search import demo
from search.options import DEMO, RESUMABLE, SPACE_SETTINGS, SearchOptions
from search.prepare import SearchPlan, asked_space, prepare, prepare_again
from search.remote import download_inputs
from search.run_folder import RunFolder, new_run_path
from search.space.files import dump_space, kept_space
from search.space.protocol import SearchSpace
from search.tune.storage import repair_log
from trainable.config import TrialConfig
from trainable.errors import InputError, flag

_OF_SPACE = frozenset({"space", *SPACE_SETTINGS})


def begin(
    asked: SearchOptions, out: Path | None, wait_for_cluster: Callable[[], None]
) -> tuple[RunFolder, SearchPlan]:
    """Prepare a search and write what it was asked; one that cannot start leaves no folder.

    Args:
        asked: Options of the command line.
        out: Folder to make; `runs/NAME`, after the data, if None.
        wait_for_cluster: Returns when Ray is ready.

    Raises:
        InputError: Naming every problem found.
    """
    data, cache = asked.data, asked.advanced.cache
    run = RunFolder(
        out or new_run_path(data.data.expanduser().resolve().stem if data.data else "search")
    )
    if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
        raise InputError(
            f"--out must be a new folder; {run.path} is not empty. "
            "Use --resume to continue it, or name another folder"
        )
    with contextlib.ExitStack() as undo:
        if data.data == DEMO:
            undo.callback(demo.remove, run.path)
            demo.write(run.path)
            plan = prepare(asked, demo.images(run.path))
        else:
            plan = prepare(asked, download_inputs(data, cache))
        wait_for_cluster()
        undo.pop_all()
    run.write_space(dump_space(plan.space))
    run.create(plan.options, plan.cohort)
    return run, plan


def resume(
    asked: SearchOptions, out: Path | None, folder: Path, wait_for_cluster: Callable[[], None]
) -> tuple[RunFolder, SearchPlan]:
    """Prepare the search of a run folder once more, with options that may change.

    Args:
        asked: Options of the command line of now.
        out: Folder of the command line; it must be the run folder.
        folder: Run folder.
        wait_for_cluster: Returns when Ray is ready.

    Raises:
        InputError: Naming every option that must not change, or every problem found.
    """
    run = RunFolder(folder)
    options, cohort = run.open()
    repair_log(run)
    space, given = kept_space(run.space_yaml), asked.given
    fixed = _differing(options, given, given.keys() - RESUMABLE - _OF_SPACE)
    if out is not None and out.expanduser().resolve() != run.path:
        fixed.append(f"--out {run.path}")
    if given.keys() & _OF_SPACE:
        again = asked_space(options.replaced(given)).with_views(cohort.grouping.views)
        fixed += _differing_settings(space, again)
    if fixed:
        raise InputError(
            *(
                f"{text} cannot change when a search is resumed: drop the option, or start a new "
                "search"
                for text in fixed
            )
        )
    if not all(Path(path).is_file() for path in cohort.manifest["path"]):
        download_inputs(options.data, options.advanced.cache)  # the cache has been emptied
    changes = {name: value for name, value in given.items() if name in RESUMABLE}
    plan = prepare_again(options.replaced(changes), cohort, space)
    wait_for_cluster()
    return run, plan


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
