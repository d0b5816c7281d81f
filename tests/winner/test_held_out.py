"""The test rows of a split judge the very model that `cxr-predict` ships."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.networks import tiny_config
from fixtures.winners import make_winner

from analysis.new_images import find_new_images
from analysis.predict import score
from analysis.retrain import Retraining
from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.plan.planner import plan_search
from search.winner.winner import evaluate_on_test
from trainable.cohort.scored import Scored
from trainable.cohort.splits import rows_of
from trainable.evaluation.intervals import estimate
from trainable.store.arrays import ArrayStore

SHARES = {"shares": (60, 20, 20)}
OWN = {"split": "keep", "folds": 2, "repeats": 2}


def plan_of(folder: Path, asked: dict[str, Any]) -> SearchPlan:
    write_demo(folder / "demo", num_patients=60, num_test_patients=1, size=32, seed=1)
    table = pd.read_csv(file := folder / "demo" / "train.csv", dtype=str)
    is_test = table["patient"].isin(table["patient"].unique()[::4])
    table.assign(part=np.where(is_test, "test", "train")).to_csv(file, index=False)
    options = SearchOptions.of(
        data=file, weights="none", backbones=("squeezenet1_0",), image_size=32,
        cache=folder / "cache", **asked,
    )  # fmt: skip
    return plan_search(options, options.data)


@pytest.mark.parametrize(
    ("asked", "settings"),
    [(SHARES, {}), (SHARES, {"unfreeze": 1}), (OWN, {"head": "logistic"})],
)
def test_the_test_rows_are_scored_by_the_model_that_predicts(
    tmp_path: Path, asked: dict[str, Any], settings: dict[str, Any]
) -> None:
    plan = plan_of(tmp_path, asked)
    config = tiny_config(positive_copies=2, epochs=5, **settings)
    winner = make_winner(config, num_steps=40, statistics=plan.task.data.statistics, repeats=2)
    result = evaluate_on_test(plan, winner)
    test = rows_of(plan.cohort, "test")
    assert (result.num_exams, result.num_trained) == (
        len(test),
        len(plan.cohort.labels) - len(test),
    )

    store = ArrayStore(tmp_path / "another-cache")
    retraining = Retraining(tmp_path, winner, plan.cohort, None, store)
    num_steps: list[int] = []
    model = retraining.model(winner.best, lambda _, record: num_steps.append(record.num_steps))
    assert len(num_steps) == (1 if config.head == "logistic" else 2)
    assert num_steps[0] == pytest.approx(40, rel=0.2) or config.head == "logistic"
    images = tmp_path / "images"
    images.mkdir()
    for path in plan.cohort.exams["path"][test]:
        shutil.copy(path, images)
    new = find_new_images(images, None, plan.cohort)
    by_name = dict(zip(new.images, score([model], new, store).scores, strict=True))
    scores = np.array([by_name[Path(path).name] for path in plan.cohort.exams["path"][test]])
    scored = Scored(plan.cohort.labels[test], plan.cohort.patients[test], scores)
    shipped = estimate(scored, winner.metrics(0.9))
    for name in ("F1", "AUC", "Brier score"):
        assert result.estimates[name].value == pytest.approx(shipped[name].value, abs=1e-3)
