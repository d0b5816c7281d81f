"""Trials of several findings and of several classes, from images to scores."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.cohorts import three_classes
from fixtures.networks import CPU, STATISTICS, random_pixels
from fixtures.networks import tiny_config as tiny
from fixtures.tasks import NUM_IMAGES, write_task
from fixtures.winners import make_winner
from numpy.typing import NDArray

from analysis.export.graph import largest_difference, write_graph
from analysis.model_file import FinalModel, load_model, save_model
from analysis.shared_stages import share_stages
from trainable.cohort.findings import Findings
from trainable.cohort.splits import Fold
from trainable.evaluation.scoring import Objective, Scoring
from trainable.images.batches import Batch
from trainable.model.covariate_encoder import NO_COLUMNS
from trainable.model.heat_map import heat_maps, heat_maps_of
from trainable.model.network import Network
from trainable.run.winner import Member
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import FoldRecord, assemble, cross_validate
from trainable.trial.final import fit_final
from trainable.trial.left_out import explain_left_out
from trainable.trial.ranks import cross_validate_on_ranks
from trainable.trial.ray_worker import as_metrics
from trainable.trial.task import Task

SEVERAL, CLASSES = Findings(("bright", "by lot", "rare")), Findings(("a", "b", "c"), exclusive=True)
BRIGHT = np.arange(NUM_IMAGES) // 2 % 3
"""How bright an image is, in each fold alike."""
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
KINDS = [
    {"head": "logistic", "C": 0.01},
    {"head": "plain", "head_layers": (), "epochs": 15, "learning_rate": 0.01},
    {"head": "fastai", "epochs": 4, "learning_rate": 0.01, "unfreeze": 1},
]


def labels_of(findings: Findings) -> NDArray[np.int64]:
    if findings.exclusive:
        return np.eye(3, dtype=np.int64)[BRIGHT]
    by_lot = np.random.default_rng(0).permutation(np.arange(NUM_IMAGES)) % 2
    by_lot[::5] = -1
    return np.stack([BRIGHT == 2, by_lot, np.arange(NUM_IMAGES) % 10 == 0], axis=1).astype(np.int64)


@pytest.fixture(scope="module", params=[SEVERAL, CLASSES], ids=["findings", "classes"])
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Task:
    """The first finding, and every class, can be seen."""
    findings: Findings = request.param
    pixels = (random_pixels(NUM_IMAGES) // 3 + 80 * BRIGHT[:, None, None]).astype(np.uint8)
    scoring = Scoring(f1_average="macro", exclusive=findings.exclusive)
    folder = tmp_path_factory.mktemp("findings")
    return write_task(folder, pixels, labels_of(findings), findings, scoring)


def run(task: Task, **settings: Any) -> list[FoldRecord]:
    config = tiny(**{"cut": "features.5", **settings})
    return list(cross_validate(config, task, CPU, ArrayStore(task.cache)))


@pytest.mark.parametrize("settings", KINDS)
def test_a_trial_scores_all_findings_of_all_examinations(
    task: Task, settings: dict[str, Any]
) -> None:
    *_, last = run(task, **settings)
    assert last.scores.shape == task.data.labels.shape
    assert ((last.scores >= 0) & (last.scores <= 1)).all()
    if task.data.findings.exclusive:
        np.testing.assert_allclose(last.scores.sum(axis=1), 1, rtol=1e-5)
    objective, found = task.judge(last.scores)
    assert len(found) == 3
    assert 0 < objective <= 1
    assert found[0]["auc"] is not None
    assert found[0]["auc"] > 0.7
    metrics = as_metrics(last, task)
    assert metrics["f1"] == pytest.approx(np.mean([one["f1"] for one in found]))
    assert "threshold" not in metrics
    assert metrics["objective"] == objective


def test_the_objective_is_over_the_findings(task: Task) -> None:
    first, *_, last = run(task, head="logistic")
    for objective in OBJECTIVES:
        scoring = dataclasses.replace(task.scoring, objective=objective)
        judged = dataclasses.replace(task, scoring=scoring)
        assert np.isfinite([as_metrics(one, judged)["objective"] for one in (first, last)]).all()


def test_the_mean_scores_are_the_shares_whatever_positives_weigh(task: Task) -> None:
    rows = np.arange(NUM_IMAGES)
    seen = dataclasses.replace(task, folds=(Fold(rows, rows),))
    labels = task.data.labels
    shares = (labels == 1).sum(axis=0) / (labels >= 0).sum(axis=0)
    for weight, copies in ((1, 1), (6, 1), (2, 3)):
        settings = {"positive_weight": weight, "positive_copies": copies, "C": 1e-5}
        last = run(seen, head="logistic", **settings)[-1]
        np.testing.assert_allclose(last.scores.mean(axis=0), shares, atol=0.1)


def test_unknown_labels_of_what_is_scored_change_no_score(task: Task) -> None:
    if task.data.findings.exclusive:
        pytest.skip("no class is unknown")
    fold = task.folds[1]
    labels = task.data.labels.copy()
    known = labels[fold.valid, 1] >= 0
    labels[fold.valid[known], 1] = labels[fold.valid[known], 1][::-1]
    data = dataclasses.replace(task.data, labels=labels)
    found = [
        run(dataclasses.replace(one, folds=(fold,)), head="logistic")[-1].scores[fold.valid]
        for one in (task, dataclasses.replace(task, data=data))
    ]
    assert np.array_equal(found[0], found[1])


def test_two_ranks_give_the_scores_of_one_device(task: Task) -> None:
    if task.data.findings.exclusive:
        pytest.skip("two processes take long to start")
    config = tiny(cut="features.5", unfreeze=1, batch_size=6, learning_rate=1e-4, positive_weight=3)
    one = list(cross_validate(config, task, CPU, ArrayStore(task.cache)))[-1]
    *_, two = cross_validate_on_ranks(2, "cpu", config, task, ArrayStore(task.cache))
    np.testing.assert_allclose(two.scores, one.scores, atol=1e-3)


def final_networks(task: Task, **settings: Any) -> tuple[tuple[Network, ...], NDArray[np.float32]]:
    parts = assemble(tiny(cut="features.5", **settings), task.materials(CPU))
    everything = Fold(np.arange(30), np.arange(30, NUM_IMAGES))
    fit = fit_final(parts, 40, everything, 2)
    return fit.networks, fit.scores


def test_a_final_model_is_kept_and_exported_with_all_findings(task: Task, tmp_path: Path) -> None:
    networks, scores = final_networks(task, positive_weight=4.0, head="plain")
    config = tiny(cut="features.5", positive_weight=4.0, head="plain")
    names = task.data.findings.names
    made = FinalModel(config, networks, (0.5,) * 3, STATISTICS, names, "digest")
    save_model(made, tmp_path / "models" / "one")
    model = load_model(tmp_path / "models" / "one")
    assert (model.classes, model.outputs.exclusive) == (names, task.data.findings.exclusive)
    share_stages([model])
    cohort = three_classes(10, task.data.paths[30:])
    graph = tmp_path / "model.onnx"
    other = dataclasses.replace(model, networks=model.networks[:1])
    team = [model, other]
    record: dict[str, Any] = {"findings": task.data.findings, "scoring": task.scoring}
    record["members"] = tuple(
        Member(trial=number, config=config, num_steps=40, thresholds=(0.5,) * 3)
        for number in range(2)
    )
    winner, whole = (
        make_winner(config, **record, teams=teams)
        for teams in (((0,), (0, 1), (1,)), ((0, 1),) * 3)
    )
    write_graph(team, NO_COLUMNS, {}, graph, winner)
    assert largest_difference(team, graph, cohort, NO_COLUMNS, winner)[0] < 1e-4
    assert largest_difference(team, graph, cohort, NO_COLUMNS, whole)[0] > 1e-4
    onnx = pytest.importorskip("onnx")
    output = onnx.load(graph).graph.output[0].type.tensor_type.shape
    assert output.dim[1].dim_value == 3
    images = assemble(config, task.materials(CPU)).body.images.as_seen_by(config.preprocessing, CPU)
    with torch.inference_mode():
        exams = Batch(images(torch.arange(30, NUM_IMAGES)))
        by_network = [model.outputs.scores(network(exams)) for network in model.networks]
    np.testing.assert_allclose(torch.stack(by_network).mean(dim=0), scores, atol=1e-5)


def test_a_heat_map_is_of_one_finding(task: Task) -> None:
    networks, _ = final_networks(task, head="logistic", positive_weight=3.0)
    config = tiny(cut="features.5", head="logistic")
    images = assemble(config, task.materials(CPU)).body.images.as_seen_by(config.preprocessing, CPU)
    exams = Batch(images(torch.arange(3)))
    for finding in range(3):
        maps = heat_maps(networks[0], exams, finding)
        with torch.inference_mode():
            log_odds = networks[0].outputs.log_odds(networks[0](exams), finding)
        torch.testing.assert_close(maps.mean(dim=(1, 2)), log_odds, rtol=1e-3, atol=1e-3)
    exams_wanted = [0, 3]
    left_out = [
        explain_left_out(config, task.materials(CPU), task.folds, task.seed, exams_wanted, finding)
        for finding in (0, 2)
    ]
    scores_of_trial = run(task, head="logistic")[-1].scores[exams_wanted]
    for finding, found in zip((0, 2), left_out, strict=True):
        expected = 1 / (1 + np.exp(-found.maps.mean(axis=(1, 2))))
        np.testing.assert_allclose(expected, scores_of_trial[:, finding], atol=1e-3)


def test_maps_of_several_findings_need_one_run_of_the_frozen_stages(task: Task) -> None:
    networks, _ = final_networks(task, head="logistic", positive_weight=3.0)
    config = tiny(cut="features.5", head="logistic")
    images = assemble(config, task.materials(CPU)).body.images
    num_run = list[int]()
    stage = networks[0].frozen_stages[0]
    stage.register_forward_hook(lambda _, given, __: num_run.append(len(given[0])))
    one_each, wanted = np.arange(4)[:, None], {0: np.array([0, 3]), 2: np.array([1, 3])}
    found = heat_maps_of(
        config, images, one_each, CPU, [([networks[0]], torch.tensor([0, 1, 3]))], wanted
    )
    assert num_run == [3]
    exams = Batch(images.as_seen_by(config.preprocessing, CPU)(torch.arange(4)))
    for finding, rows in wanted.items():
        expected = heat_maps(networks[0], exams, finding)[rows].numpy()
        np.testing.assert_allclose(found[finding], expected, rtol=1e-4, atol=1e-4)


def test_covariates_and_views_stand_beside_all_findings(task: Task) -> None:
    pairs = np.arange(NUM_IMAGES).reshape(-1, 2)
    data = dataclasses.replace(
        task.data,
        exam_images=pairs,
        labels=task.data.labels[::2],
        covariates=pd.DataFrame(
            {"age": np.arange(20.0), "sex": pd.Series(["f", "m"] * 10, dtype=object)}
        ),
    )
    folds = tuple(
        Fold(np.flatnonzero(np.arange(20) % 4 != part), np.arange(part, 20, 4)) for part in range(4)
    )
    two_views = dataclasses.replace(task, data=data, folds=folds)
    *_, last = run(two_views, head="logistic", views=2, covariates=True)
    assert last.scores.shape == (20, 3)
    assert np.isfinite(last.scores).all()
