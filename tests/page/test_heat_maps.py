"""Which examinations the page shows, and what it says where it shows none."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.networks import CPU, STATISTICS, random_pixels, tiny_config
from fixtures.tasks import write_task
from fixtures.winners import make_winner

from search.options.options import SearchOptions
from search.page.heat_maps import examples, explanation, heat_map_section
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import Grouping
from trainable.cohort.splits import make_folds
from trainable.errors import InputError
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate
from trainable.trial.task import TrainingData

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])


def test_the_surest_of_each_kind_and_the_nearest_are_shown() -> None:
    scores = np.array([0.1, 0.45, 0.6, 0.9, 0.2, 0.3, 0.7, np.nan], np.float32)
    assert examples(LABELS, scores, scores >= 0.5, 0.5) == {
        "Surest right positive": 6,
        "Surest missed positive": 4,
        "Surest right negative": 0,
        "Surest false alarm": 3,
        "Nearest to the threshold": 1,
    }


def test_what_there_is_none_of_is_left_out_and_nothing_is_shown_twice() -> None:
    scores = np.where(LABELS == 1, 0.9, 0.2).astype(np.float32)
    found = examples(LABELS, scores, scores >= 0.5, 0.5)
    assert list(found) == ["Surest right positive", "Surest right negative"]


@pytest.fixture
def result(tmp_path: Path, make_cohort: Callable[..., Cohort]) -> SearchResult:
    run = RunFolder(tmp_path)
    run.log.create()
    config = tiny_config()
    scores = np.linspace(0, 1, len(LABELS)).astype(np.float32)
    metrics = {"f1": 0.5, "objective": 0.5, "threshold": 0.5}
    run.log.add(3, "complete", config.model_dump(), metrics, scores=scores[:, None])
    options = SearchOptions.of(cache=tmp_path / "cache", weights="none")
    return SearchResult(run, options, make_cohort(LABELS), make_winner(config), run.log.table())


def test_it_is_left_out_where_that_is_asked_and_where_it_would_take_long(
    result: SearchResult,
) -> None:
    none = heat_map_section(result, asked="no")
    assert none.paragraphs == ["Left out, as was asked."]
    assert explanation(result, none) == ""
    [why] = heat_map_section(result, asked="auto").paragraphs
    assert why.startswith("Not shown, since the features of trial 3 are no longer stored")
    assert why.endswith("--heat-maps yes")


def in_examinations(cohort: Cohort) -> Cohort:
    """12 images as 8 examinations of two views, some of which are missing."""
    exams = ["0", "1", "0", "1", "2", "3", "2", "3", "4", "5", "6", "7"]
    views = [0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0]
    return dataclasses.replace(
        cohort,
        manifest=cohort.manifest.assign(exam=exams, patient=exams, view=views),
        grouping=Grouping(2, "exam", "view", ("AP", "L")),
    )


@pytest.mark.parametrize(("head", "views"), [("logistic", 1), ("fastai", 1), ("logistic", 2)])
def test_a_map_is_of_a_model_that_never_saw_the_patient(
    tmp_path: Path, make_cohort: Callable[..., Cohort], head: str, views: int
) -> None:
    """It has the out-of-fold score of the search, where the folds were drawn once."""
    labels, config = np.arange(12) % 2, tiny_config(head=head, views=views)
    task = write_task(tmp_path, random_pixels(12), labels)
    cohort = make_cohort(labels, paths=task.data.paths, contents=task.data.hashes)
    cohort = cohort if views == 1 else in_examinations(cohort)
    run, winner = RunFolder(tmp_path / "run"), make_winner(config)
    task = dataclasses.replace(
        task,
        data=TrainingData.of(cohort, STATISTICS),
        folds=make_folds(cohort, 3, winner.seed),
        seed=winner.seed,
    )
    *_, last = cross_validate(config, task, CPU, ArrayStore(task.cache))
    run.path.mkdir()
    run.log.create()
    metrics = {"f1": 0.5, "objective": 0.5, "threshold": 0.4}
    run.log.add(3, "complete", config.model_dump(), metrics, scores=last.scores)
    options = SearchOptions.of(data="demo", cache=task.cache, folds=3, repeats=1)
    of_run = SearchResult(run, options, cohort, winner, run.log.table())
    section = heat_map_section(of_run, asked="auto")
    assert section.paragraphs[0] == "These are drawn phantoms of X-rays."
    found = section.figures
    assert len(found) >= 3
    method = "logistic head, place by place" if head == "logistic" else "Grad-CAM"
    assert method in explanation(of_run, section)
    for figure in found:
        [number] = map(int, re.findall(r"^\D*(\d+).*, truly", figure.caption))
        of_winner, _, of_map = map(float, re.findall(r"\d\.\d+", figure.caption))
        assert of_map == pytest.approx(last.scores[number, 0], abs=6e-4)
        assert of_winner == of_map  # it has no other member


def test_missing_images_are_an_error_only_where_heat_maps_are_asked_for(
    result: SearchResult,
) -> None:
    with pytest.raises(InputError, match="name the folder where they are now with --labelled-imag"):
        heat_map_section(result, asked="yes")


def test_a_team_that_sees_further_columns_has_none(result: SearchResult) -> None:
    seeing = dataclasses.replace(result, winner=make_winner(tiny_config(covariates=True)))
    [why] = heat_map_section(seeing, asked="yes").paragraphs
    assert why.startswith("Not shown: no trial of the team")
