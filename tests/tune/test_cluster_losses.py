"""A cluster of several Ray nodes: what it is sent, and what it loses while a search runs."""

import dataclasses
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from fixtures.nodes import head_alone
from fixtures.run_folders import run_of
from fixtures.warm import Warm
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune.experiment import Trial

from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.plan.planner import plan_search
from search.run.run_folder import RunFolder
from search.tune.callbacks import why_lost
from search.tune.capacity import Capacity, Resources
from search.tune.cluster import cluster
from search.tune.tuner import run_session
from trainable.backbones.encoder import find_backbone
from trainable.trial.ray_worker import ship

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("no_ray")]

ONE_CPU = Resources(cpus=1, gpus=0)


@pytest.fixture(scope="module")
def nodes(no_ray: None, warm: Warm) -> Iterator[Cluster]:
    """A head that runs no trials, joined as a search joins a cluster; tests add the workers."""
    with warm.python():
        nodes = head_alone()
    with cluster(nodes.address) as wait:
        wait()
        yield nodes
    nodes.shutdown()


@pytest.fixture
def warm_workers(warm: Warm) -> Iterator[None]:
    """Nodes that are added meanwhile have workers that have all imported."""
    with warm.python():
        yield


@pytest.fixture
def cold_workers(warm: Warm) -> Iterator[None]:
    """Nodes that are added meanwhile have workers that import by themselves."""
    with warm.python(workers=False):
        yield


@pytest.fixture
def worker(nodes: Cluster) -> Iterator[Any]:
    """A node with room for one trial."""
    node = nodes.add_node(num_cpus=1)
    yield node
    if node in nodes.list_all_nodes():
        nodes.remove_node(node)


@pytest.fixture
def prepared(tmp_path: Path) -> SearchPlan:
    """A search whose images and weights are gone from the disk once they are prepared."""
    write_demo(tmp_path / "demo", num_patients=40, num_test_patients=2, size=48)
    weights = tmp_path / "weights"
    weights.mkdir()
    state = find_backbone("squeezenet1_1").build().state_dict()
    torch.save(state, weights / "squeezenet1_1.pth")
    settings = SearchOptions.of(
        data=tmp_path / "demo" / "train.csv",
        weights=str(weights),
        unfreeze=("one",),
        image_size=32,
        epochs=1,
        folds=3,
        cache=tmp_path / "cache",
    )
    return plan_search(settings)


def run_search(
    prepared: SearchPlan, folder: Path, num_trials: int, callback: tune.Callback
) -> RunFolder:
    """Run trials as on machines that have nothing but the cluster."""
    run = run_of(prepared, folder / "run")
    shipment = ship(prepared.task, prepared.pixels)
    for gone in ("demo", "weights", "cache"):
        shutil.rmtree(folder / gone)
    task = dataclasses.replace(prepared.task, cache=folder / "of_the_node")
    plan = dataclasses.replace(prepared, task=task, num_trials=num_trials)
    run_session(plan, run, ONE_CPU, callback, shipment)
    return run


class Losses(tune.Callback):
    """Does one thing after another, each as a trial reports that it is on its way."""

    def __init__(self, *acts: Callable[[dict[str, Any]], None]) -> None:
        self.acts = list(acts)
        self.said: list[str] = []

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles its callbacks; nodes cannot be."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if self.acts:
            self.acts.pop(0)(result)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self.said.append(why_lost(trial))


@pytest.mark.usefixtures("cold_workers", "worker")
def test_a_worker_runs_the_code_that_was_sent() -> None:
    @ray.remote
    def where() -> tuple[str, str | None]:
        import trainable

        return trainable.__path__[0], os.environ.get("RAY_CHDIR_TO_TRIAL_DIR")

    path, switch = ray.get(where.remote())
    assert "working_dir_files" in path
    assert switch == "0"


def test_a_search_outlives_its_only_node_and_goes_on_with_one_that_joins_late(
    nodes: Cluster, warm_workers: None, prepared: SearchPlan, tmp_path: Path, worker: Any
) -> None:
    def replace(_: Any) -> None:
        nodes.remove_node(worker, allow_graceful=False)
        nodes.add_node(num_cpus=2)

    losses = Losses(lambda result: os.kill(result["pid"], signal.SIGKILL), replace)
    run = run_search(prepared, tmp_path, 4, losses)
    killed, cut_off = losses.said
    assert killed.startswith("its worker process has died on ")
    assert cut_off.startswith(("its node has died", "it cannot be reached"))
    trials = run.log.table()
    assert len(trials) == 4
    assert set(trials["state"]) <= {"complete", "stopped"}
    assert sorted(trials["number"]) == list(range(4))
    for number in trials["number"][trials["state"] == "complete"]:
        assert np.isfinite(run.log.scores(number)).all()


@pytest.mark.usefixtures("warm_workers", "worker")
def test_a_node_that_joins_late_runs_trials_shorter_than_the_start_of_a_worker(
    nodes: Cluster, prepared: SearchPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it_ran = tmp_path / "the late one ran"

    def wait_a_moment(config: dict[str, Any], task: Any, shipment: Any) -> None:
        time.sleep(0 if it_ran.exists() else 0.3)
        where = ray.get_runtime_context().get_node_id()
        tune.report({"fold": len(task.folds), "objective": 0.5, "scores": b"", "where": where})

    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(2)")
    slow = {"PYTHONPATH": str(tmp_path)}
    late: list[Any] = []
    ran_on: list[str] = []

    def join(_: dict[str, Any]) -> None:
        late.append(nodes.add_node(num_cpus=1, env_vars=slow))

    def note(result: dict[str, Any]) -> None:
        ran_on.append(result["where"])
        if ran_on[-1] == late[0].node_id:
            it_ran.touch()

    monkeypatch.setattr("search.tune.tuner.run_trial", wait_a_moment)
    run_search(prepared, tmp_path, 80, Losses(join, *79 * [note]))
    nodes.remove_node(late[0])
    assert late[0].node_id in ran_on


@pytest.mark.usefixtures("warm_workers")
def test_the_number_of_concurrent_trials_follows_the_nodes(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.tune.capacity._SECONDS", 0.0)
    capacity = Capacity(ONE_CPU)
    before = capacity()
    node = nodes.add_node(num_cpus=3)
    assert capacity() == before + 3
    assert Capacity(Resources(cpus=3, gpus=0))() == 1
    nodes.remove_node(node)
    assert capacity() == before
