"""The best configurations of an earlier search, to begin another search with."""

from pathlib import Path

from search.run.run_folder import RunFolder
from search.run.trial_log import complete_best_first, config_of
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.errors import InputError

_NUM_CONFIGURATIONS = 10


def best_configurations(folder: Path, cohort: Cohort) -> tuple[TrialConfig, ...]:
    """The complete trials with the best objectives, the best one first.

    Args:
        folder: Run folder of the earlier search, which is only read.
        cohort: Cohort of the new search.

    Raises:
        InputError: If the earlier search had other classes, has no complete trial, or was made by
            another version of cxr.
    """
    run = RunFolder(folder)
    run.read_options()
    earlier = Cohort.load(run.path).classes
    if earlier != cohort.classes:
        raise InputError(
            f"--warm-start must be a search for the classes {' and '.join(cohort.classes)}; "
            f"{run.path} has {' and '.join(earlier)}"
        )
    complete = complete_best_first(run.log.table())
    if complete.empty:
        raise InputError(
            f"--warm-start must be a search with a complete trial; {run.path} has none"
        )
    return tuple(config_of(row) for row in complete.head(_NUM_CONFIGURATIONS).to_dict("records"))
