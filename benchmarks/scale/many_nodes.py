"""Ray's own test cluster of many small nodes on this machine: trials and tables at scale."""

import contextlib
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import ray
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune.experiment import Trial

import search.tune.cluster
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.space.files import dump_space, make_space
from search.tune import tuner
from search.tune.capacity import Resources
from trainable.backbones.encoder import Encoder
from trainable.backbones.start import Random
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import Weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.splits import Fold
from trainable.evaluation.scoring import Scoring
from trainable.features.tables import FEATURES
from trainable.images.preprocessing import PixelStatistics
from trainable.store.table_name import TableName
from trainable.trial.ray_worker import ClusterStore, ship
from trainable.trial.task import Task, TrainingData

SPACE = make_space().restricted_to(tuple(BACKBONES), has_gpu=True)
NUM_IMAGES = 100
_ROWS = np.arange(NUM_IMAGES)
TASK = Task(
    TrainingData(
        (), (), _ROWS[:, None], _ROWS[:, None] % 2, Findings(("positive",)),
        PixelStatistics(0.5, 0.2),
    ),
    (Fold(_ROWS, _ROWS),), Weights(Random(), tuple(map(Encoder, BACKBONES))),
    Path("~/.cache/cxr"), 0, Scoring(), 0,
)  # fmt: skip
OPTIONS = SearchOptions.of(data=Path("nothing.csv"))
_NAMES = dict.fromkeys(("image", "path", "patient", "sha256"), _ROWS.astype(str))
COHORT = Cohort(pd.DataFrame(_NAMES).assign(label=0, split=""), (LabelRule(("0", "1")),))
TABLE = np.zeros((64, 16), np.float32)
TABLE_ROWS = tuple(map(str, range(len(TABLE))))
MILESTONES = (10, 100, 1_000, 10_000)


@contextlib.contextmanager
def nodes_of_one_cpu(num_nodes: int) -> Iterator[None]:
    """A cluster whose head runs nothing, joined by this process."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(num_nodes):
        nodes.add_node(num_cpus=1, object_store_memory=80 * 1024**2)
    with search.tune.cluster.cluster(nodes.address) as wait:
        wait()
        yield
    nodes.shutdown()


def new_run(folder: Path) -> RunFolder:
    """A run folder for a cohort that nobody reads."""
    run = RunFolder(folder)
    run.claim()
    run.begin(OPTIONS, dump_space(SPACE), COHORT)
    return run


def report_only(config: dict[str, Any], task: Task, shipment: None) -> None:
    """A trial that trains nothing."""
    f1 = np.random.default_rng(config["number"]).random()
    scores = np.zeros(NUM_IMAGES, np.float32).tobytes()
    tune.report({"fold": len(task.folds), "objective": f1, "scores": scores})


class Milestones(tune.Callback):
    """What the driver took, each time that the number of ended trials has grown tenfold."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._ended = 0
        self._last = 0, time.perf_counter(), _cpu_seconds()

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Count one more; at a milestone add a row of the trials since the last one."""
        self._ended += 1
        if self._ended not in MILESTONES:
            return
        ended, at, cpu = self._last
        self._last = self._ended, time.perf_counter(), _cpu_seconds()
        num_trials = self._ended - ended
        row = {
            "trials": self._ended,
            "trials a second": num_trials / (self._last[1] - at),
            "driver CPU s a trial": (self._last[2] - cpu) / num_trials,
            "driver MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        self.rows.append(row)


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def trials_on_nodes(num_nodes: int, num_trials: int) -> list[dict[str, float]]:
    """Run trials that only report on nodes of one CPU each."""
    resources = Resources(1, 0)
    milestones = Milestones()
    with (
        nodes_of_one_cpu(num_nodes),
        tempfile.TemporaryDirectory() as folder,
        patch("search.tune.tuner.run_trial", report_only),
    ):
        run = new_run(Path(folder, "run"))
        plan = SearchPlan(OPTIONS, COHORT, SPACE, {}, TASK, num_trials)
        tuner.run_session(plan, run, resources, milestones)
        assert len(run.log.table()) == num_trials
    return [{"nodes": num_nodes, **row} for row in milestones.rows]


class Node:
    """One CPU with a store of its own."""

    def __init__(self, folder: Path, tables: Any) -> None:
        self._store = ClusterStore(folder, 2**40, tables)

    def have(self, tables: list[str]) -> None:
        """Fetch these tables, or else compute them."""
        for what in tables:
            name = TableName(what, TABLE_ROWS)
            self._store.get_or_compute(name, TABLE.shape[1:], TABLE.dtype, TABLE.__getitem__)


def features_on_nodes(num_nodes: int, num_keys: int) -> Iterator[dict[str, float]]:
    """Store tables on nodes that share no disk, and fetch each on another node.

    A row each time that the number of tables has grown tenfold, of the tables since the row before.
    """
    with nodes_of_one_cpu(num_nodes), tempfile.TemporaryDirectory() as folder:
        tables = ship(TASK, {}).tables
        start = ray.remote(Node).options(num_cpus=1).remote
        nodes: list[Any] = [start(Path(folder, str(n)), tables) for n in range(num_nodes)]
        done = 0
        for until in MILESTONES:
            names = [f"{FEATURES}{number:08d}" for number in range(done, min(until, num_keys))]
            if not names:
                break
            shares = [names[number::num_nodes] for number in range(num_nodes)]
            seconds = []
            # at first each node computes its own, then it wants those of the next one
            for wanted in (shares, shares[1:] + shares[:1]):
                began = time.perf_counter()
                ray.get([n.have.remote(share) for n, share in zip(nodes, wanted, strict=True)])
                seconds.append((time.perf_counter() - began) / len(names))
            done += len(names)
            yield {
                "nodes": num_nodes,
                "tables": done,
                "add": seconds[0],
                "fetch": seconds[1],
                "driver MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
