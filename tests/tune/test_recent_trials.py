"""What the sampler sees of a long study: the best, the recent and the unfinished trials."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.tune import recent_trials
from search.tune.recent_trials import RecentTrials


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JournalFileBackend:
    monkeypatch.setattr(recent_trials, "NUM_RECENT", 20)
    monkeypatch.setattr(recent_trials, "NUM_BEST", 3)
    return JournalFileBackend(str(tmp_path / "study.log"))


def value(number: int) -> float:
    """Each number up to 100 once, in no order."""
    return 37 * (number + 1) % 101


def numbers(trials: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


def add(study: optuna.Study, count: int) -> None:
    """Complete trials, but every seventh has failed."""
    for number in range(len(study.trials), len(study.trials) + count):
        failed = number % 7 == 6
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        study.add_trial(create_trial(value=None if failed else value(number), state=state))


def test_of_the_older_trials_the_best_are_seen_and_of_the_recent_ones_all(
    log: JournalFileBackend,
) -> None:
    everything = optuna.create_study(storage=JournalStorage(log), direction="maximize")
    seen = RecentTrials(log)
    for count in (15, 5, 1, 40, 29):
        add(everything, count)
        found = seen.get_all_trials(everything._study_id)
        older = [t for t in everything.trials[:-20] if t.state == TrialState.COMPLETE]
        best = sorted(older, key=lambda trial: trial.value or 0.0)[-3:]
        assert numbers(found) == sorted(numbers(best)) + numbers(everything.trials[-20:])
        complete = seen.get_all_trials(everything._study_id, states=(TrialState.COMPLETE,))
        assert numbers(complete) == [t.number for t in found if t.state == TrialState.COMPLETE]
    assert seen.get_best_trial(everything._study_id).value == everything.best_value


def test_a_trial_that_is_under_way_is_seen_however_old_it_is(log: JournalFileBackend) -> None:
    study = optuna.create_study(storage=JournalStorage(log), direction="maximize")
    seen = RecentTrials(log)
    first = study.ask()
    add(study, 50)
    assert numbers(seen.get_all_trials(study._study_id))[0] == first.number
    study.tell(first, 0.0)
    assert len(seen.get_all_trials(study._study_id)) == 23
    copied = seen.get_all_trials(study._study_id, deepcopy=True)[0]
    assert copied is not seen.get_all_trials(study._study_id, deepcopy=False)[0]
