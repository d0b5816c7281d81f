"""A head that sees covariates learns from them, by training rows alone, and is kept whole."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.networks import CPU, STATISTICS, random_pixels, tiny_config
from fixtures.tasks import NUM_IMAGES, write_task
from pydantic import ValidationError

from analysis.model_file import FinalModel, load_model, save_model
from analysis.team_score import HeadInputs, team_score
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.images.batches import Batch
from trainable.model.heat_map import has_heat_map
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import assemble, cross_validate, train_network
from trainable.trial.final import fit_final
from trainable.trial.task import Task

LABELS = np.arange(NUM_IMAGES) % 2
AGE = np.where(LABELS == 1, 70.0, 50.0) + np.arange(NUM_IMAGES) % 7
AGE[:3] = np.nan
SEX = np.where(np.arange(NUM_IMAGES) % 3 == 0, "F", "M")
COLUMNS = pd.DataFrame({"age": AGE, "sex": pd.Series(SEX, dtype=object)})


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Images that say nothing of the label, and ages that tell it."""
    task = write_task(tmp_path, random_pixels(NUM_IMAGES), LABELS)
    return dataclasses.replace(task, data=dataclasses.replace(task.data, covariates=COLUMNS))


def seeing(**changes: Any) -> TrialConfig:
    return tiny_config(**{"covariates": True, "pool": "average", "epochs": 10, **changes})


def auc(config: TrialConfig, task: Task) -> float:
    *_, last = cross_validate(config, task, CPU, ArrayStore(task.cache))
    _, [found] = task.judge(last.scores)
    assert found["auc"] is not None
    return found["auc"]


@pytest.mark.parametrize(
    "settings", [{"head": "logistic", "C": 0.1, "cut": "fused"}, {"head": "fastai"}]
)
def test_what_only_a_column_tells_is_learnt_from_it(task: Task, settings: dict[str, Any]) -> None:
    unseen = auc(seeing(**settings, covariates=False), task)
    assert auc(seeing(**settings), task) > max(0.75, unseen + 0.1)


def test_means_and_categories_are_those_of_the_training_rows(task: Task) -> None:
    config = seeing(head="logistic", positive_copies=2)
    parts = assemble(config, task.materials(CPU))
    fold = Fold(np.arange(10, 30), np.arange(10))
    network, record = train_network(parts, fold, 0)
    assert network.column_code is not None
    [age] = network.column_code.numbers
    assert age.mean == pytest.approx(AGE[10:30].mean())
    assert len(record.scores) == 10


def test_a_final_model_comes_back_and_gives_the_scores_that_it_was_judged_by(
    task: Task, tmp_path: Path
) -> None:
    config = seeing(head="fastai")
    parts = assemble(config, task.materials(CPU))
    rows = np.arange(NUM_IMAGES)
    fit = fit_final(parts, 20, Fold(rows[10:], rows[:10]), 2)
    made = FinalModel(config, fit.networks, (0.5,), STATISTICS, ("alive", "dead"), "digest")
    save_model(made, tmp_path / "models" / "one")
    model = load_model(tmp_path / "models" / "one")
    assert model.column_code == made.column_code
    take = parts.body.images.as_seen_by(config.preprocessing, CPU)
    assert model.column_code is not None
    columns = torch.from_numpy(model.column_code.values(COLUMNS[:10]))
    with torch.inference_mode():
        exams = {config.preprocessing: Batch(take(torch.arange(10)))}
        scores = team_score([model], HeadInputs.of([model], exams), columns)
    np.testing.assert_allclose(scores.numpy(), fit.scores, atol=1e-5)


def test_trained_stages_see_no_columns_and_images_without_columns_are_refused(task: Task) -> None:
    with pytest.raises(ValidationError, match="covariates need a frozen body, unfreeze 0"):
        seeing(unfreeze=1)
    without = dataclasses.replace(task.data, covariates=pd.DataFrame())
    with pytest.raises(ValueError, match="needs images with covariates"):
        assemble(seeing(), dataclasses.replace(task.materials(CPU), data=without))
    assert not has_heat_map(seeing())
