"""After any interruption, study and ledger agree, and no trial is lost or counted twice."""

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pandas as pd
import pytest
from fixtures.cohorts import CONFIG, cohort, three_findings
from fixtures.run_folders import begun_run
from optuna.trial import TrialState

from search.plan.warm_start import find_warm_start
from search.run.run_folder import RunFolder
from search.run.warm_start import WarmStart
from search.space.files import Layer, make_space
from search.tune.study import (
    StudySearch,
    open_storage,
    open_study,
    origins,
    reconcile,
    repair_log,
)
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.errors import InputError
from trainable.run.places import scores_file

SPACE = make_space(
    Layer(
        "{}",
        {
            **{"unfreeze": ["none"], "head": "fastai", "normalization": ["none", "image"]},
            **{"image_size": 64, "first_trials": []},
        },
    )
).restricted_to(("squeezenet1_0",), has_gpu=False)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return begun_run(tmp_path / "run")


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    SPACE.sample(trial)
    return trial


def test_a_trial_without_a_row_is_run_again_with_its_parameters(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    lost = ask(study)
    assert reconcile(run, study) == 1
    assert study.trials[0].state == TrialState.FAIL
    assert run.log.table()["state"].tolist() == ["interrupted"]
    assert run.log.num_ended() == 0
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
    run.log.add(trial.number, "complete", CONFIG, {"objective": 0.625})
    assert reconcile(run, study) == 0
    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].value == 0.625
    assert len(study.trials) == 1


def test_a_failed_trial_is_not_run_again(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    trial = ask(study)
    run.log.add(trial.number, "failed", CONFIG, {}, "DivergedError: ...")
    reconcile(run, study)
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert run.log.num_ended() == 1


def test_the_storage_is_one_that_optuna_s_tools_open(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    ask(study)
    loaded = optuna.load_study(study_name=None, storage=open_storage(run))
    assert len(loaded.trials) == 1


@pytest.mark.parametrize(
    ("logged", "state", "value"),
    [
        ("complete", TrialState.COMPLETE, 0.5),
        ("stopped", TrialState.PRUNED, None),
        ("failed", TrialState.FAIL, None),
        (None, TrialState.FAIL, None),
    ],
)
def test_optuna_is_told_what_the_log_says(
    run: RunFolder, logged: Any, state: TrialState, value: float | None
) -> None:
    search = StudySearch(SPACE, run, seed=0, capacity=lambda: 9)
    search.suggest("one")
    if logged:
        run.log.add(0, logged, CONFIG, {"objective": 0.5})
    for _ in range(2):
        search.on_trial_complete("one", {"objective": 0.5, "training_iteration": 2})
    [trial] = open_study(run, SPACE).trials
    assert (trial.state, trial.value) == (state, value)


def test_a_second_end_of_a_trial_changes_nothing(run: RunFolder) -> None:
    run.log.add(0, "complete", CONFIG, {"objective": 0.5})
    run.log.add(0, "failed", CONFIG, {}, "lost its worker")
    assert run.log.table()["state"].tolist() == ["complete"]
    assert run.log.num_ended() == 1


def test_a_list_whose_queue_was_cut_off_loses_no_row(run: RunFolder) -> None:
    class List:
        def first_trials(self) -> list[dict[str, int]]:
            return [{"row": row} for row in range(6)]

    study = open_study(run, cast("Any", List()))
    lines = run.study_log.read_text().splitlines(keepends=True)
    run.study_log.write_text("".join(lines[:-3]))
    for _ in range(2):
        study = open_study(run, cast("Any", List()))
        queued = [trial.system_attrs["fixed_params"]["row"] for trial in study.trials]
        assert queued == list(range(6))


def test_a_later_session_draws_other_random_trials(run: RunFolder) -> None:
    drawn = []
    for name in ("first", "second"):
        search = StudySearch(SPACE, run, seed=0, capacity=lambda: 9)
        for number in range(3):
            suggested = search.suggest(f"{name}{number}")
            assert suggested is not None
            drawn.append(suggested["trial"]["learning_rate"])
    assert len(set(drawn)) == len(drawn)


def test_a_study_cut_off_by_a_kill_goes_on(run: RunFolder) -> None:
    ask(open_study(run, SPACE))
    with run.study_log.open("a") as log:
        log.write('{"op_code":4,"wor')
    run.study_log.with_suffix(".log.lock").touch()
    repair_log(run)
    ask(open_study(run, SPACE))
    assert len(open_study(run, SPACE).trials) == 2


def test_a_study_needs_no_links(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a disk without them answers (SMB, exFAT)."""

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.setattr(os, "link", refused)
    ask(open_study(run, SPACE))
    assert len(open_study(run, SPACE).trials) == 1


@pytest.fixture
def earlier(tmp_path: Path) -> RunFolder:
    """A run whose second trial was the best, and whose third had a cut that SPACE lacks."""
    folder = begun_run(tmp_path / "earlier")
    cut: dict[str, object] = {"cut": "features.5", "learning_rate": 0.02, "image_size": 320}
    trials: list[tuple[float, dict[str, object]]] = [(0.5, {}), (0.7, cut), (0.4, {"unfreeze": 1})]
    for number, (objective, changes) in enumerate(trials):
        folder.log.add(number, "complete", {**CONFIG, **changes}, {"objective": objective})
    folder.log.add(3, "failed", CONFIG, {})
    folder.release()
    return folder


def test_a_warm_start_tries_the_best_earlier_configurations_next(
    run: RunFolder, earlier: RunFolder
) -> None:
    start = find_warm_start(earlier.path, cohort())
    best = start.search.queued
    assert [one.config.learning_rate for one in best] == [0.02, 1e-3, 1e-3]
    assert start.scores is None, "their files are missing"
    space = dataclasses.replace(SPACE, first=())
    # as if a kill had come before all was queued
    open_study(run, space)
    start.save(run.path)
    again = WarmStart.load(run.path)
    assert again == start
    assert again is not None
    study = open_study(run, space, again.search.queued)
    tried = [space.sample(study.ask()) for _ in study.trials]
    baseline = tried[0]
    # the second best is the baseline itself; the third trains a stage, which SPACE does not
    assert len(tried) == 2
    assert (baseline.cut, baseline.learning_rate) == ("features", 1e-3)
    assert (tried[1].cut, tried[1].learning_rate, tried[1].image_size) == ("features.5", 0.02, 64)
    # both are lost and run again: where they come from is not
    for number in (0, 1):
        run.log.add(number, "lost", CONFIG, {})
    reconcile(run, study)
    assert origins(run) == {0: (0, None), 1: (1, 1), 2: (0, None), 3: (1, 1)}


def test_a_warm_start_that_has_seen_the_test_images_is_refused(earlier: RunFolder) -> None:
    manifest = cohort().manifest.assign(split=["test", "train"])
    with pytest.raises(InputError, match=r"not seen the test images .* has seen 1 of 1: drop the"):
        find_warm_start(earlier.path, Cohort(manifest, (LabelRule(("alive", "dead")),)))


def test_scores_of_an_earlier_search_come_in_the_order_of_this_one(earlier: RunFolder) -> None:
    for number in range(3):
        scores = np.array([[0.1], [0.9]], np.float32) + np.float32(number / 100)
        np.save(scores_file(earlier.path, number), scores)
    turned = Cohort(cohort().manifest[::-1].reset_index(drop=True), (LabelRule(("alive", "dead")),))
    start = find_warm_start(earlier.path, turned)
    assert start.scores is not None
    assert [one.trial for one in start.search.trials] == [1, 0, 2]
    np.testing.assert_allclose(start.scores[0, :, 0], [0.91, 0.11], rtol=1e-6)
    assert (start.search.num_shared, start.search.has_history) == (2, False)
    others = cohort().manifest.assign(sha256=["aa", "cc"])
    start = find_warm_start(earlier.path, Cohort(others, (LabelRule(("alive", "dead")),)))
    assert (start.scores, start.search.num_shared) == (None, 1)


def test_test_images_need_no_earlier_score(earlier: RunFolder) -> None:
    for number in range(3):
        np.save(scores_file(earlier.path, number), np.array([[0.1], [0.9]], np.float32))
    before = cohort().manifest
    new = before.iloc[:1].assign(image="c.png", sha256="cc", patient="9", split="test")
    manifest = pd.concat([new, before.assign(split="train")], ignore_index=True)
    start = find_warm_start(earlier.path, Cohort(manifest, (LabelRule(("alive", "dead")),)))
    assert start.scores is not None
    assert np.isnan(start.scores[:, 0]).all()
    np.testing.assert_allclose(start.scores[:, 1:, 0], [[0.1, 0.9]] * 3, rtol=1e-6)


def test_a_run_that_cannot_be_started_from_is_refused_in_a_sentence(
    earlier: RunFolder, tmp_path: Path
) -> None:
    others = Cohort(cohort().manifest, (LabelRule(("well", "ill")),))
    with pytest.raises(InputError, match=r"for the classes well and ill; .* has alive and dead"):
        find_warm_start(earlier.path, others)
    several = r"for the findings mass, nodule and effusion; .* has alive and dead"
    with pytest.raises(InputError, match=several):
        find_warm_start(earlier.path, three_findings())
    settings = earlier.path / "settings.json"
    settings.write_text(settings.read_text().replace('"format": ', '"format": 9'))
    with pytest.raises(InputError, match="another version of cxr"):
        find_warm_start(earlier.path, cohort())
    with pytest.raises(InputError, match="not the folder of a search"):
        find_warm_start(tmp_path, cohort())
    empty = begun_run(tmp_path / "empty")
    with pytest.raises(InputError, match="has none"):
        find_warm_start(empty.path, cohort())


def test_a_trial_lost_to_the_machine_runs_again_once_and_does_not_count(
    run: RunFolder,
) -> None:
    study = open_study(run, SPACE)
    lost = ask(study)
    run.log.add(lost.number, "lost", CONFIG, {}, "there is no space left")
    for _ in range(2):
        reconcile(run, study)
    assert run.log.num_ended() == 0
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    assert ask(study).params == lost.params


def test_a_kill_between_the_queue_and_the_row_queues_nothing_twice(run: RunFolder) -> None:
    study = open_study(run, SPACE)
    ask(study)
    reconcile(run, study)
    rows = run.log.csv.read_text().splitlines(keepends=True)
    run.log.csv.write_text(rows[0])
    reconcile(RunFolder(run.path), study)
    assert len(study.trials) == 2
    assert run.log.csv.read_text().count("interrupted;") == 1


@pytest.mark.parametrize("damage", ["empty", "absent", "cut", "of others"])
def test_a_complete_trial_without_its_scores_runs_again(run: RunFolder, damage: str) -> None:
    study = open_study(run, SPACE)
    scores = np.zeros((2, 1), np.float32)
    for _ in range(2):
        number = ask(study).number
        run.log.add(number, "complete", CONFIG, {"objective": 0.5, "f1": 0.25}, scores=scores)
        study.tell(number, 0.5)
    before = run.log.csv.read_text()
    file = scores_file(run.path, 1)
    whole = file.read_bytes()
    file.unlink()
    if damage == "of others":
        np.save(file, np.zeros((3, 1), np.float32))
    elif damage != "absent":
        file.write_bytes(b"" if damage == "empty" else whole[:-1])
    run.release()
    again = RunFolder(run.path)
    again.open()
    assert again.log.states() == {0: "complete", 1: "lost"}
    assert again.log.num_ended() == 1
    assert again.log.csv.read_text().splitlines()[:2] == before.splitlines()[:2]
    reconcile(again, study)
    assert [trial.state for trial in study.trials][2:] == [TrialState.WAITING]
