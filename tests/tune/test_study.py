"""After any interruption, study and ledger agree, and no trial is lost or counted twice."""

from pathlib import Path

import optuna
import pytest
from fixtures.cohorts import CONFIG, cohort
from optuna.trial import TrialState

from search.options import SearchOptions
from search.run_folder import RunFolder
from search.space.files import Layer, make_space
from search.tune.study import StudySearch, num_ended, open_study, reconcile

SPACE = make_space(
    Layer("{}", {"unfreeze": ["none"], "normalization": ["none", "image"], "image_size": 64})
).restricted_to(("squeezenet1_0",), has_gpu=False)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create(SearchOptions.of(data=Path("x.csv")), cohort())
    return folder


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    SPACE.sample(trial)
    return trial


def test_a_trial_without_a_row_is_run_again_with_its_parameters(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    lost = ask(study)
    assert reconcile(run, study) == 1
    assert study.trials[0].state == TrialState.FAIL
    assert run.trials()["state"].tolist() == ["interrupted"]
    assert num_ended(run) == 0
    again = ask(study)
    assert again.params == lost.params


def test_settling_twice_changes_nothing_more(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    ask(study)
    reconcile(run, study)
    before = [(trial.number, trial.state) for trial in study.trials]
    assert reconcile(run, study) == 0
    assert [(trial.number, trial.state) for trial in study.trials] == before


def test_a_whole_trial_that_optuna_was_not_told_of_is_kept(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    trial = ask(study)
    run.add_trial(trial.number, "complete", CONFIG, {"objective": 0.625})
    assert reconcile(run, study) == 0
    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].value == 0.625
    assert len(study.trials) == 1


def test_a_failed_trial_is_not_run_again(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    trial = ask(study)
    run.add_trial(trial.number, "failed", CONFIG, {}, "DivergedError: ...")
    reconcile(run, study)
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert num_ended(run) == 1


def test_the_storage_is_one_that_optuna_s_tools_open(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    ask(study)
    loaded = optuna.load_study(study_name=None, storage=run.storage())
    assert len(loaded.trials) == 1


@pytest.mark.parametrize(
    ("result", "state", "value"),
    [
        ({"objective": 0.5, "fold": 5, "training_iteration": 5}, TrialState.COMPLETE, 0.5),
        ({"objective": 0.9, "fold": 2, "training_iteration": 2}, TrialState.FAIL, None),
        (None, TrialState.FAIL, None),
    ],
    ids=["all folds", "stopped after two folds", "stopped before the first"],
)
def test_only_a_whole_trial_has_a_value(
    run: RunFolder, result: dict[str, float] | None, state: TrialState, value: float | None
) -> None:
    search = StudySearch(SPACE, run, seed=0, num_folds=5, capacity=lambda: 9)
    search.suggest("one")
    search.on_trial_complete("one", result)
    [trial] = open_study(run, SPACE).trials
    assert (trial.state, trial.value) == (state, value)


def test_a_later_session_draws_other_random_trials(run: RunFolder) -> None:
    drawn = []
    for name in ("first", "second"):
        search = StudySearch(SPACE, run, seed=0, num_folds=5, capacity=lambda: 9)
        for number in range(3):
            suggested = search.suggest(f"{name}{number}")
            assert suggested is not None
            drawn.append(suggested["trial"]["learning_rate"])
    assert len(set(drawn)) == len(drawn)


def test_a_study_cut_off_by_a_kill_goes_on(run: RunFolder) -> None:
    ask(open_study(run, SPACE))
    with run.study_log.open("a") as log:
        log.write('{"op_code":4,"wor')
    run.study_log.with_suffix(".log.lock").symlink_to(run.study_log)
    run.release()
    RunFolder(run.path).open()
    ask(open_study(run, SPACE))
    assert len(open_study(run, SPACE).trials) == 2
