"""The private parts of Ray and Optuna are there, and do what a search uses them for."""

from importlib.metadata import version
from inspect import signature
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from ray import _raylet
from ray._private import ray_constants, services, worker
from ray._private.node import Node
from ray._private.state import state
from ray.tune.search.optuna import OptunaSearch

from search.tune import upstream_internals
from search.tune.agents import IDLE_PORTS, PORT


@pytest.mark.parametrize("library", upstream_internals.TESTED)
def test_the_private_parts_were_tested_with_the_installed_version(library: str) -> None:
    assert version(library) == upstream_internals.TESTED[library], (
        f"{library} has another version: check each part of upstream_internals.py with it, then "
        "write the version into TESTED"
    )


def test_ray_has_what_is_used_of_it() -> None:
    assert isinstance(worker._worker_logs_enabled, bool)
    assert callable(state.get_cluster_config)
    assert isinstance(ray_constants.ENABLE_RAY_CLUSTER, bool)
    assert hasattr(worker, "_global_node")
    assert all(callable(getattr(Node, name)) for name in upstream_internals.UNUSED)
    assert callable(services._build_python_executable_command_memory_profileable)
    assert isinstance(ray_constants.SETUP_WORKER_FILENAME, str)
    names = ("METRICS_AGENT", "METRICS_EXPORT", "DASHBOARD_AGENT_LISTEN", "RUNTIME_ENV_AGENT")
    ports = tuple(getattr(_raylet, f"{name}_PORT_NAME") for name in names)
    assert ports == (*IDLE_PORTS, PORT)
    assert {"check_alive", "allow_graceful"} <= set(signature(Node.kill_all_processes).parameters)


def test_optuna_has_what_is_used_of_it(tmp_path: Path) -> None:
    log = tmp_path / "study.log"
    storage = JournalStorage(JournalFileBackend(str(log)))
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({"x": 0.5})
    assert study.ask().suggest_float("x", 0, 1) == 0.5
    study.ask()
    trials = study.get_trials()
    assert upstream_internals.queued_parameters(trials[0]) == {"x": 0.5}
    assert upstream_internals.queued_parameters(trials[1]) == {}


def test_ray_s_searcher_has_the_trials_of_optuna(tmp_path: Path) -> None:
    search = OptunaSearch(_space, metric="x", mode="max")
    search.suggest("a")
    found = upstream_internals.trial_under_way(search, "a")
    assert found is not None
    assert found.number == 0
    upstream_internals.pass_over(search, "a")
    assert upstream_internals.trial_under_way(search, "a") is None
    search.suggest("a")
    again = upstream_internals.trial_under_way(search, "a")
    assert again is not None
    assert again.number == 1
    states = [trial.state.name for trial in again.study.get_trials()]
    assert states == ["PRUNED", "RUNNING"]
    assert upstream_internals.trial_under_way(search, "b") is None


def _space(trial: optuna.Trial) -> None:
    trial.suggest_float("x", 0, 1)


def test_a_lock_that_a_kill_left_is_where_optuna_looks_for_it(tmp_path: Path) -> None:
    lock = JournalFileOpenLock(str(tmp_path / "study.log"))
    lock.acquire()
    assert upstream_internals.journal_lock(tmp_path / "study.log").is_file()
    lock.release()
