"""The Optuna study of a run: opened, completed after a kill, and given only whole trials."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search.optuna import OptunaSearch

from search.run.run_folder import RunFolder
from search.run.trial_log import METRIC
from search.run.warm_start import EarlierTrial
from search.space.protocol import SearchSpace
from search.tune.race import Race
from search.tune.upstream_internals import (
    journal_lock,
    pass_over,
    queued_parameters,
    trial_under_way,
)
from trainable.config import TrialConfig
from trainable.files import drop_partial_line

STUDY_NAME = "cxr"
ATTRIBUTES = {
    **{"f1": "F1", "auc": "AUC", "average_precision": "average precision"},
    **{count: count.upper() for count in ("tp", "fn", "fp", "tn")},
}
"""Metrics that the study keeps beside the objective, and what they are called there."""
_REPEATS = "repeats"
"""Attribute of a trial that runs the parameters of another one again: the number of that one."""
_EARLIER = "earlier"
"""Attribute of a trial that a warm start has queued: the number of the earlier search's trial."""
_MOST_PASSED_OVER = 20
"""Proposals in a row that are not run; one more is, so that a search goes on."""


def open_storage(run: RunFolder) -> JournalStorage:
    """Optuna's storage: a log, since SQLite reads all running trials anew for each number.

    Its lock is a new file. The default is a symbolic link, which some network disks do not have.
    """
    log = str(run.study_log)
    return JournalStorage(JournalFileBackend(log, lock_obj=JournalFileOpenLock(log)))


def repair_log(run: RunFolder) -> None:
    """Remove the half line and the lock that a killed process left.

    The run folder must be locked (`RunFolder.open`), so that no other process writes the log.
    """
    drop_partial_line(run.study_log)
    journal_lock(run.study_log).unlink(missing_ok=True)


def open_study(
    run: RunFolder, space: SearchSpace, warm_start: Sequence[EarlierTrial] = ()
) -> optuna.Study:
    """Open or create the study.

    Args:
        run: Folder of the run.
        space: What is searched; a new study begins with its first trials.
        warm_start: Trials of an earlier search that a new study tries next, the best one first.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=STUDY_NAME,
        storage=open_storage(run),
        direction="maximize",
        load_if_exists=True,
    )
    # a kill may have left the queue incomplete; it is the first thing in a study
    queue = _queue(space, warm_start)
    for parameters, attributes in queue[len(study.trials) :]:
        study.enqueue_trial(parameters, user_attrs=attributes)
    return study


def _queue(
    space: SearchSpace, warm_start: Sequence[EarlierTrial]
) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """Parameters of the first trials of a study, and what it keeps of each beside them."""
    planned = space.first_trials()
    queue: list[tuple[dict[str, Any], dict[str, int]]] = [(one, {}) for one in planned]
    for earlier in warm_start:
        # none, if it is a planned one
        for parameters in space.first_trials((earlier.config,))[len(planned) :]:
            queue.append((parameters, {_EARLIER: earlier.trial}))
    return queue


class Origin(NamedTuple):
    """Where the configuration of a trial comes from.

    Attributes:
        number: The trial itself, or the one that was interrupted or lost and that it runs again.
        earlier: Number of the trial of an earlier search that it tries again; None if it is new.
    """

    number: int
    earlier: int | None


def origins(run: RunFolder) -> dict[int, Origin]:
    """Where each trial of a run comes from, by its number."""
    found: dict[int, Origin] = {}
    for trial in load_study(run).get_trials(deepcopy=False):
        repeated = trial.user_attrs.get(_REPEATS)
        new = Origin(trial.number, trial.user_attrs.get(_EARLIER))
        found[trial.number] = new if repeated is None else found[repeated]
    return found


def load_study(run: RunFolder) -> optuna.Study:
    """The study of a run that has begun, to be looked at."""
    return optuna.load_study(study_name=STUDY_NAME, storage=open_storage(run))


def rows_run(run: RunFolder) -> dict[int, int]:
    """Of a grid: the row that each trial runs, by the number of the trial."""
    trials = load_study(run).get_trials(deepcopy=False)
    return {trial.number: trial.params["row"] for trial in trials if "row" in trial.params}


def reconcile(run: RunFolder, study: optuna.Study) -> int:
    """Make the study agree with the log of trials after a search ended, in whatever way it did.

    A trial of the log is reported to Optuna if that was missed. A trial that the log lacks was
    interrupted: it gets a row. The parameters of an interrupted trial, and of one that was lost to
    the machine, are queued once, to run again as a new trial.

    Returns:
        How many trials were interrupted.
    """
    rows = {row["number"]: row for row in run.log.table().to_dict("records")}
    trials = study.get_trials(deepcopy=False)
    # a kill may have come between the queue and the row
    repeated = {trial.user_attrs.get(_REPEATS) for trial in trials}
    num_interrupted = 0
    for trial in trials:
        row = rows.get(trial.number)
        was_passed_over = trial.state == TrialState.PRUNED and row is None
        if trial.state == TrialState.WAITING or was_passed_over:
            continue
        if trial.state == TrialState.RUNNING:
            _tell(study, trial.number, row)
        if (row is None or row["state"] == "lost") and trial.number not in repeated:
            _queue_again(study, trial)
        if row is None:
            run.log.add(trial.number, "interrupted", {}, {}, "interrupted; queued to run again")
            num_interrupted += 1
    return num_interrupted


def _queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue the parameters of a trial; one that was cut off before it took them has them still."""
    parameters = {**queued_parameters(trial), **trial.params}
    study.enqueue_trial(parameters, user_attrs={_REPEATS: trial.number})


def _tell(study: optuna.Study, number: int, row: Mapping[Any, Any] | None) -> None:
    """Tell Optuna how a trial ended."""
    if row is not None and row["state"] == "complete":
        study.tell(number, row[METRIC])
    else:
        stopped = row is not None and row["state"] == "stopped"
        study.tell(number, state=TrialState.PRUNED if stopped else TrialState.FAIL)


class StudySearch(OptunaSearch):
    """Ray's Optuna searcher, but Optuna is told what the log of trials says.

    Ray's own gives Optuna the last reported value of a trial that was stopped, as if that value
    were the score of the trial.

    Attributes:
        stops_early: Whether a trial may be stopped for being behind.
    """

    def __init__(
        self,
        space: SearchSpace,
        run: RunFolder,
        seed: int,
        capacity: Callable[[], int],
        race: Race | None = None,
    ) -> None:
        """Continue the study of `run`, with as many trials under way as `capacity` says.

        Of a `race`, the first trials that it stopped too early are queued once more.
        """
        study = open_study(run, space)
        # each session of a study draws anew; the same seed would repeat its first random trials
        with warnings.catch_warnings():
            # `group` learns jointly what occurs together; Optuna may still change it
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed + len(study.trials), multivariate=True, group=True, constant_liar=True
            )
        super().__init__(
            space=space,
            metric=METRIC,
            mode="max",
            sampler=sampler,
            study_name=STUDY_NAME,
            storage=open_storage(run),
        )
        self._run = run
        self._log = run.log
        self._numbers: dict[str, int] = {}  # of the trials under way
        self.stops_early = space.stops_early
        self._capacity = capacity
        self._race = race
        self._has_let_back = False
        self._num_first = len(space.first_trials())

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next configuration, or None while the cluster is full."""
        if len(self._numbers) >= self._capacity():
            return None
        self._let_back()
        suggested = cast("dict[str, Any]", super().suggest(trial_id))
        for _ in range(_MOST_PASSED_OVER):
            if not self._would_stop(trial_id, suggested):
                break
            pass_over(self, trial_id)
            suggested = cast("dict[str, Any]", super().suggest(trial_id))
        self._numbers[trial_id] = suggested["number"]
        return suggested

    def _would_stop(self, trial_id: str, suggested: Mapping[str, Any]) -> bool:
        """Whether what the sampler chose would stop at once, as its network is behind already."""
        trial = trial_under_way(self, trial_id)
        if self._race is None or trial is None:
            return False
        is_queued = trial.number < self._num_first or {_REPEATS, _EARLIER} & {*trial.user_attrs}
        config = TrialConfig(**suggested["trial"])
        return not is_queued and self._race.has_stopped(config, self._log)

    def _let_back(self) -> None:
        """Queue the first trials that the race has stopped too early, once all have ended."""
        if self._race is None or self._has_let_back:
            return
        found = self._race.stopped_too_early(self._log, self._num_first)
        if found is None:
            return
        self._has_let_back = True
        study = load_study(self._run)
        trials = study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs.get(_REPEATS) for trial in trials}
        for number in found:
            if number not in repeated:
                _queue_again(study, trials[number])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell Optuna nothing before a trial ends: each telling is a write to its file."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna the score of a complete trial, or that there is none."""
        number = self._numbers.pop(trial_id, None)
        if number is None:  # Ray may say it twice
            return
        state = self._log.states().get(number)
        told = result if state == "complete" else None
        if told is not None:
            self._annotate(trial_id, told)
        super().on_trial_complete(trial_id, told, state not in ("complete", "stopped"))

    def _annotate(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Keep in the study what a person looks for beside the objective."""
        trial = trial_under_way(self, trial_id)
        if trial is None:
            return
        # undefined metrics are not in a report
        for name in (name for name in ATTRIBUTES if name in result):
            trial.set_user_attr(ATTRIBUTES[name], result[name])
