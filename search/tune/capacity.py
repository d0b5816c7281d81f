"""What a cluster gives one trial, and how many trials it holds at this moment."""

import math
import time
from dataclasses import dataclass

import ray

from search.tune.upstream_internals import node_groups
from trainable.errors import InputError
from trainable.files import size_text

_SECONDS = 1.0
_LITTLE_MEMORY = 1 << 30

NodeResources = dict[str, float]


@dataclass(frozen=True)
class Resources:
    """Resources of one trial.

    Attributes:
        cpus: CPUs.
        gpus: GPUs; may be a part of one.
        memory: Bytes that it may need for itself; 0 if so few that they do not count.
    """

    cpus: int
    gpus: float
    memory: int = 0

    def fit_on(self, node: NodeResources) -> int:
        """How many trials a node holds; a trial never spans two."""
        by_cpus = int(node.get("CPU", 0) // self.cpus)
        # 1e-9: ten times 0.1 is a whole GPU
        by_gpus = int(node.get("GPU", 0) / self.gpus + 1e-9) if self.gpus else by_cpus
        # a node that is to be started may not say how much it has
        is_limited = self.memory and "memory" in node
        by_memory = int(node["memory"] // self.memory) if is_limited else by_cpus
        return min(by_cpus, by_gpus, by_memory)

    def as_asked(self) -> dict[str, float]:
        """What Ray is asked for."""
        asked = {"cpu": self.cpus, "gpu": self.gpus}
        return {**asked, "memory": self.memory} if self.memory else asked


class Capacity:
    """How many trials may be under way, as nodes come and go.

    On a cluster that starts nodes by demand that is up to twice as many as it holds, so that the
    autoscaler sees a demand; all at once would be chosen without a single result.
    """

    def __init__(self, resources: Resources, most: int | None = None) -> None:
        """Count trials of these resources, but never more than `most`."""
        self._resources = resources
        self._most = math.inf if most is None else most
        self._asked = 0.0
        self._found = 0

    def __call__(self) -> int:
        """The number now; Ray is asked at most once a second."""
        if time.monotonic() - self._asked >= _SECONDS:
            holds = sum(self._resources.fit_on(node) for node in live_nodes())
            most = sum(self._resources.fit_on(node) * count for node, count in node_groups())
            self._found = int(min(self._most, max(holds, min(most, 2 * max(holds, 1)))))
            self._asked = time.monotonic()
        return self._found


def live_nodes() -> list[NodeResources]:
    """Resources of each node that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def resources_per_trial(cpus: int, gpus: float, memory: int = 0) -> Resources:
    """Share the cluster among trials; without any GPU a trial is given none.

    Args:
        cpus: CPUs of a trial.
        gpus: GPUs of a trial.
        memory: Bytes that a trial may need.

    Raises:
        InputError: if no node that is there or can be started has what a trial asks for.
    """
    nodes = live_nodes()
    possible = [*nodes, *(node for node, count in node_groups() if count)]
    if not any(node.get("GPU", 0) for node in possible):
        gpus = 0.0
    resources = Resources(cpus, gpus, memory if memory >= _LITTLE_MEMORY else 0)
    if not any(resources.fit_on(node) for node in possible):
        has = "; ".join(map(_described, possible))
        asks = _described({"CPU": cpus, "GPU": gpus, "memory": resources.memory})
        advice = "; or search with fewer --backbones" if resources.memory else ""
        raise InputError(
            f"a trial must fit on one node; it asks for {asks}, the nodes have {has}. Ask for "
            f"less with --cpus-per-trial or --gpus-per-trial{advice}"
        )
    return resources


def _described(node: NodeResources) -> str:
    text = f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs"
    memory = int(node.get("memory", 0))
    return f"{text} and {size_text(memory)} of memory" if memory else text
