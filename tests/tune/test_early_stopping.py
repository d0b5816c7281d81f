"""Trials that are behind after two of their folds stop, and the others go on."""

from pathlib import Path
from typing import Any

import pytest
from fixtures.cohorts import CONFIG
from fixtures.run_folders import begun_run
from optuna.trial import TrialState
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.space.files import Layer, make_space
from search.tune.callbacks import TrialLogger
from search.tune.scheduler import FoldASHA, ReportTimeout, SearchStopper
from search.tune.study import StudySearch, open_study, reconcile
from search.tune.tuner import earlier_reports

SPACE = make_space(
    Layer(
        "{}",
        {
            **{"unfreeze": ["one"], "normalization": ["none", "image"]},
            **{"image_size": 64, "first_trials": []},
        },
    )
).restricted_to(("squeezenet1_0",), has_gpu=False)


class Race:
    """Trials that report their folds to a scheduler in turn."""

    def __init__(self, folder: Path, num_folds: int = 5) -> None:
        self.run = begun_run(folder / "run")
        self.search = StudySearch(SPACE, self.run, seed=0, capacity=lambda: 9)
        self.ending = SearchStopper(num_folds, None)
        self.recorder = TrialLogger(self.run, num_folds, 1, self.ending, ReportTimeout(None))
        self.num_folds = num_folds
        self.resume()
        self.trials: dict[str, Trial] = {}

    def resume(self) -> None:
        """Begin a session, with what the run folder knows of earlier ones."""
        self.scheduler = FoldASHA(self.num_folds, earlier_reports(self.run, self.num_folds))

    def report(self, name: str, fold: int, objective: float) -> str:
        if name not in self.trials:
            self.search.suggest(name)
            config = {"number": len(self.trials), "trial": CONFIG}
            self.trials[name] = Trial("race", config=config, trial_id=name, stub=True)
            self.scheduler.on_trial_add(None, self.trials[name])  # type: ignore[arg-type]
        result: dict[str, Any] = {"fold": fold, "objective": objective, "time_total_s": 0.0}
        decision = TrialScheduler.STOP
        if not self.ending(name, result):
            decision = self.scheduler.on_trial_result(
                None,  # type: ignore[arg-type]
                self.trials[name],
                result,
            )
        result["done"] = decision == TrialScheduler.STOP
        self.recorder.on_trial_result(fold, [], self.trials[name], result)
        if decision == TrialScheduler.STOP:
            self.search.on_trial_complete(name, result)
        return decision


@pytest.fixture
def race(tmp_path: Path) -> Race:
    return Race(tmp_path)


def test_a_trial_that_is_behind_after_two_folds_stops(race: Race) -> None:
    assert race.report("good", 1, 0.1) == TrialScheduler.CONTINUE
    assert race.report("good", 2, 0.5) == TrialScheduler.CONTINUE
    assert race.report("bad", 1, 0.9) == TrialScheduler.CONTINUE
    assert race.report("bad", 2, 0.4) == TrialScheduler.STOP
    assert race.report("better", 2, 0.6) == TrialScheduler.CONTINUE
    trials = race.run.log.table()
    assert trials["state"].tolist() == ["stopped"]
    assert trials["number"].tolist() == [1]
    assert (trials["fold"].item(), trials["objective"].item()) == (2, 0.4)
    assert trials["error"].item() == "after 2 of 5 folds, behind the others"
    assert race.run.log.num_ended() == 1


def test_the_baseline_configuration_never_stops(race: Race) -> None:
    race.report("baseline", 2, 0.1)
    race.report("better", 2, 0.5)
    race.report("better", 4, 0.5)
    assert race.report("baseline", 4, 0.1) == TrialScheduler.CONTINUE
    assert race.run.log.table().empty


def test_a_stopped_trial_is_pruned_in_the_study_and_not_run_again(race: Race) -> None:
    race.report("good", 2, 0.5)
    race.report("bad", 1, 0.3)
    race.report("bad", 2, 0.4)
    study = open_study(race.run, SPACE)
    assert study.trials[1].state == TrialState.PRUNED
    race.report("good", 5, 0.5)
    reconcile(race.run, study)
    assert [trial.state for trial in study.trials].count(TrialState.WAITING) == 0
    assert race.run.log.table()["state"].tolist() == ["stopped", "complete"]


def test_a_trial_ends_at_its_last_fold_and_is_complete(race: Race) -> None:
    race.report("good", 4, 0.5)
    assert race.report("frozen", 5, 0.0) == TrialScheduler.STOP
    assert race.run.log.table()["state"].tolist() == ["complete"]
    assert open_study(race.run, SPACE).trials[1].value == 0.0


def test_a_trial_ends_at_its_error(race: Race) -> None:
    assert race.ending("any", {"error": "ValueError: no", "done": False})


def test_with_one_split_no_trial_stops(tmp_path: Path) -> None:
    race = Race(tmp_path, num_folds=1)
    race.report("good", 1, 0.5)
    race.report("bad", 1, 0.1)
    assert race.run.log.table()["state"].tolist() == ["complete", "complete"]


def test_trials_are_compared_with_those_of_earlier_sessions(race: Race) -> None:
    race.report("good", 2, 0.5)
    race.report("good", 4, 0.6)
    race.report("interrupted", 2, 0.9)
    race.report("good", 5, 0.7)
    frozen = race.report("frozen", 5, 0.8)
    assert frozen == TrialScheduler.STOP
    rungs = race.scheduler.debug_string()
    reconcile(race.run, open_study(race.run, SPACE))
    race.resume()
    assert race.scheduler.debug_string() != rungs, "the interrupted trial runs again"
    assert race.report("bad", 2, 0.4) == TrialScheduler.STOP
    assert race.report("better", 2, 0.6) == TrialScheduler.CONTINUE
    assert race.report("better", 4, 0.5) == TrialScheduler.STOP


def test_a_few_trials_in_a_row_that_the_machine_failed_end_all(race: Race) -> None:
    for state in ("lost", "lost", "failed", "lost", "lost"):
        race.ending.note(state)
        assert not race.ending.stop_all()
    race.ending.note("lost")
    assert race.ending.stop_all()
    assert race.ending.why == "machine"
