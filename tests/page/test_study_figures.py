"""The figures of a search: which there are, and that long names are short in them."""

import warnings
from pathlib import Path

import optuna
import pytest
from fixtures.cohorts import CONFIG
from fixtures.run_folders import begun_run

from search.page.study_figures import study_figures
from search.run.run_folder import RunFolder
from search.space.files import Layer, make_space
from search.tune.study import open_study
from search.tune.study_plots import importances
from trainable.report.page import Figure

OWN = "resnet18@/weights/of-a-hospital-with-a-long-name.pth"


def figures(folder: Path, num_trials: int, step: float = 0.01, **fixed: object) -> list[Figure]:
    """Those of a study of two encoders, with settings that only some trials have."""
    run = begun_run(folder / "run")
    space = make_space(Layer("{}", {"unfreeze": ["none"], "first_trials": []}))
    space = space.restricted_to(("squeezenet1_0", OWN), has_gpu=False)
    study = open_study(run, space)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(num_trials):
        study.enqueue_trial(fixed)
        trial = study.ask()
        config = space.sample(trial)
        objective = 0.5 + step * number + 0.2 * (str(config.backbone) == OWN)
        study.tell(trial, objective)
        run.log.add(number, "complete", CONFIG, {"objective": objective})
    return study_figures(run, run.log.table())


def test_after_enough_trials_each_is_a_line_through_its_settings(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = figures(tmp_path, 10)
    assert [one.title for one in found] == [
        "Best so far", "Which settings mattered", "Trials by their settings"
    ]  # fmt: skip
    wide = found[-1]
    assert wide.is_wide
    assert "/weights/" not in wide.svg
    assert "with-a-long-name.pth<" in wide.svg
    assert ">objective<" in wide.svg
    assert ">None<" in wide.svg  # a trial without a logistic head has no C


def test_a_setting_of_one_value_is_no_axis(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wide = figures(tmp_path, 10, positive_weight=1.0)[-1]
    assert ">objective<" in wide.svg
    assert ">positive_weight<" not in wide.svg


def test_a_setting_that_alone_decides_the_objective_explains_its_variance(tmp_path: Path) -> None:
    figures(tmp_path, 30, step=0.0)
    run = RunFolder(tmp_path / "run")
    shares = importances(run)
    assert next(iter(shares)) == "backbone"
    assert shares["backbone"] > 0.9
    assert 0.9 < sum(shares.values()) <= 1
    mattered = study_figures(run, run.log.table())[1]
    assert "share of the variance of the objective" in mattered.svg
    assert "variance of the objective" in mattered.caption


@pytest.mark.parametrize("num_trials", [1, 3])
def test_few_trials_show_the_best_so_far_alone(tmp_path: Path, num_trials: int) -> None:
    assert [one.title for one in figures(tmp_path, num_trials)] == ["Best so far"]
