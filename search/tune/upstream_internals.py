"""Every private part of Ray and Optuna that a search uses, and the versions it was tested with.

A new version may change any of them without notice. `tests/tune/test_upstream_internals.py` fails
when the installed version is another one, and when a part is missing or behaves differently.
"""

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray._private import ray_constants, worker
from ray._private.state import state

if TYPE_CHECKING:  # Optuna is slow to import, and Ray starts meanwhile
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial
    from ray.tune.experiment import Trial
    from ray.tune.search.optuna import OptunaSearch

TESTED = {"ray": "2.60.0", "optuna": "5.0.0"}


def hide_worker_logs() -> None:
    """Keep Ray from printing its own account of a lost node; the display has a line for it."""
    worker._worker_logs_enabled = False


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Let Ray and its processes listen on 127.0.0.1 alone, as by itself it does on macOS only."""
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(name), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        del os.environ[name]
        if before[0] is not None:
            os.environ[name] = before[0]
        ray_constants.ENABLE_RAY_CLUSTER = before[1]


def preloading(*modules: str) -> dict[str, Any]:
    """Settings of a new Ray whose workers import modules when they start, before they have work.

    Ray starts a worker for each CPU at once, and gives it to the first trial.
    """
    return {"preload_python_modules": list(modules)}


def shut_down() -> None:
    """Leave Ray; one of our own has nothing to keep, and may block SIGTERM: it is killed."""
    node = worker._global_node
    if node is not None and node.is_head():
        kill = functools.partial(type(node).kill_all_processes, node)
        node.kill_all_processes = lambda **_: kill(check_alive=False, allow_graceful=False)
    ray.shutdown()


def node_groups() -> Iterator[tuple[dict[str, float], int]]:
    """Nodes that the autoscaler may start: their resources, and how many of them at most."""
    config = state.get_cluster_config()
    for group in config.node_group_configs if config else ():
        yield dict(group.resources), group.max_count


def running_actor(trial: "Trial") -> Any:
    """The Ray actor that a trial runs in; None if it runs in none."""
    return trial.temporary_state.ray_actor


def trial_under_way(search: "OptunaSearch", trial_id: str) -> "OptunaTrial | None":
    """Optuna's trial behind one of Ray's; None once it has ended."""
    found: OptunaTrial | None = search._ot_trials.get(trial_id)
    return found


def queued_parameters(trial: "FrozenTrial") -> Mapping[str, Any]:
    """The parameters that a trial was queued with; none if the sampler chose all of them."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def journal_lock(study_log: Path) -> Path:
    """The file that Optuna locks its log with; a killed process leaves it."""
    return study_log.with_name(study_log.name + ".lock")
