"""Every private part of Ray and Optuna that a search uses, and the versions it was tested with.

A new version may change any of them without notice. `tests/tune/test_upstream_internals.py` fails
when the installed version is another one, and when a part is missing or behaves differently.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray._private import ray_constants, services, worker
from ray._private.node import Node
from ray._private.state import state

if TYPE_CHECKING:  # Optuna is slow to import, and Ray starts meanwhile
    from optuna import Study
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial
    from ray.tune.experiment import Trial
    from ray.tune.search.optuna import OptunaSearch

TESTED = {"ray": "2.60.0", "optuna": "5.0.0"}


def hide_worker_logs() -> None:
    """Keep Ray from printing its own account of a lost node; the display has a line for it."""
    worker._worker_logs_enabled = False


@contextlib.contextmanager
def own_node(worker: Path, agents: Path) -> Iterator[None]:
    """Let a Ray that is started have what a search on one machine needs of it, and no more.

    It and its processes listen on 127.0.0.1 alone, as by itself it does on macOS only. It has no
    dashboard, no autoscaler and no reader of the workers' logs: each would be one more Python that
    imports Ray, and Ray waits for the first.

    Args:
        worker: Program that is started for each worker. Ray passes over one whose name contains
            `setup_worker.py`, as its own has, where no environment is to be set up.
        agents: Program that is started for each of `AGENTS`, with its command.
    """
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(name)
    os.environ[name] = "0"
    python = services._build_python_executable_command_memory_profileable

    def command(component: str, *more: Any, **named: Any) -> list[str]:
        own = [sys.executable, "-I", "-S", str(agents)] if component in AGENTS else []
        return [*own, *python(component, *more, **named)]

    try:
        with (
            _changed(ray_constants, ENABLE_RAY_CLUSTER=False, SETUP_WORKER_FILENAME=str(worker)),
            _changed(Node, **dict.fromkeys(UNUSED, _nothing)),
            _changed(services, **{python.__name__: command}),
        ):
            yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


UNUSED = "start_api_server", "start_monitor", "start_log_monitor"
"""Methods of `Node` that start what a search on one machine does not use."""

AGENTS = ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT
"""Processes whose ports a node waits for."""


def _nothing(node: Node, **_: Any) -> None:
    """Start nothing."""


@contextlib.contextmanager
def _changed(owner: Any, **values: Any) -> Iterator[None]:
    """Attributes with other values, as long as the context lasts."""
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


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


def pass_over(search: "OptunaSearch", trial_id: str) -> None:
    """Tell Optuna that what it proposed is not run, so that it can be asked for another trial."""
    from optuna.trial import TrialState

    study: Study | None = search._ot_study
    assert study is not None
    study.tell(search._ot_trials.pop(trial_id), state=TrialState.PRUNED)


def queued_parameters(trial: "FrozenTrial") -> Mapping[str, Any]:
    """The parameters that a trial was queued with; none if the sampler chose all of them."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def journal_lock(study_log: Path) -> Path:
    """The file that Optuna locks its log with; a killed process leaves it."""
    return study_log.with_name(study_log.name + ".lock")
