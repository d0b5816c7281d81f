"""The one file of this folder that knows Ray: what Ray carries to a trial, and its reports back."""

import functools
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import DTypeLike, NDArray
from ray import ObjectRef, tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainable.backbones.encoder import Encoder
from trainable.config import TrialConfig
from trainable.device import (
    in_a_line,
    is_broken,
    machine_failure,
    pick_device,
    return_memory,
    use_threads,
)
from trainable.errors import BrokenWorkerError
from trainable.evaluation.counts import f1_over_findings
from trainable.evaluation.metrics import counts_of
from trainable.features.tables import FEATURES
from trainable.files import digest, private_files
from trainable.images.pixels import load_pixels, pixels_name
from trainable.images.preprocessing import Square
from trainable.store.array_file import Array
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Compute
from trainable.store.table_name import TableName
from trainable.trial.cross_validation import FoldRecord, cross_validate
from trainable.trial.race import run_laps
from trainable.trial.ranks import cross_validate_on_ranks
from trainable.trial.rungs import reports
from trainable.trial.task import Task


@dataclass(frozen=True)
class Shipment:
    """Data that the nodes of a cluster lack, in Ray's object store; each node fetches it once.

    Attributes:
        pixels: Pixels of the cohort, uint8 (num_images, size, size), by their square.
        weights: Bytes of the state dict of each encoder.
        tables: the actor that knows the tables of features that some node has.
    """

    pixels: Mapping[Square, "ObjectRef[NDArray[np.uint8]]"]
    weights: Mapping[Encoder, "ObjectRef[bytes]"]
    tables: Any


def ship(task: Task, pixels: Mapping[Square, NDArray[np.uint8]]) -> Shipment:
    """Put images and weights where every node can fetch them, now or after it joins."""
    files = task.weights.files
    weights = {encoder: ray.put(path.read_bytes()) for encoder, path in files.items()}
    # on this node, whose loss ends the search anyway; an actor owns what it puts
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    tables = (
        ray.remote(Tables).options(num_cpus=0, scheduling_strategy=here).remote(task.cache_bytes)
    )
    by_square = {square: ray.put(images) for square, images in pixels.items()}
    return Shipment(by_square, weights, tables)


class Tables:
    """Tables of features in Ray's object store, each from the first node that had it.

    Together they have at most as many bytes as a node's cache; the oldest are let go.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._tables: dict[str, ObjectRef[Array]] = {}
        self._sizes: dict[str, int] = {}

    def find(self, key: str) -> "list[ObjectRef[Array]]":
        """The table in a list, so that Ray does not fetch it here; an empty one if unknown."""
        return [self._tables[key]] if key in self._tables else []

    def keep(self, key: str, table: Array) -> None:
        """Take a table, unless there is no room for it at all."""
        if key in self._tables or table.nbytes > self._budget:
            return
        while sum(self._sizes.values()) + table.nbytes > self._budget:
            oldest = next(iter(self._tables))
            del self._tables[oldest], self._sizes[oldest]
        self._tables[key], self._sizes[key] = ray.put(table), table.nbytes


class ClusterStore(ArrayStore):
    """A node's store, which fetches tables of features that another node has.

    Two nodes that want a table at the same time, before anybody has it, both compute it: neither
    has to wait for the other, which may be lost.

    Attributes:
        shipped: Arrays that the search has sent, by the keys of their names.
    """

    def __init__(self, folder: Path, budget: int, tables: Any) -> None:
        super().__init__(folder, budget)
        self._tables = tables
        self._shared: set[str] = set()
        self.shipped: dict[str, ObjectRef[Array]] = {}

    def get_or_compute(
        self, name: TableName, row_shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array:
        """As in `ArrayStore`, but what can be fetched is not computed."""
        key = name.key
        shipped = self.shipped.get(key)
        if shipped is not None:
            return super().get_or_compute(
                name, row_shape, dtype, lambda rows: ray.get(shipped)[rows]
            )
        if not key.startswith(FEATURES) or key in self._shared:
            return super().get_or_compute(name, row_shape, dtype, compute)
        known = ray.get(self._tables.find.remote(key))
        if known and self.get(name) is None:
            table = ray.get(known[0])
            compute = table.__getitem__
        found = super().get_or_compute(name, row_shape, dtype, compute)
        if not known:
            ray.get(self._tables.keep.remote(key, np.asarray(found)))
        self._shared.add(key)
        return found


def unpack(shipment: Shipment, task: Task, config: TrialConfig, store: ClusterStore) -> Task:
    """Let a trial find in this node's store what it needs; images are fetched when they are needed.

    Returns:
        The task, its weights where this node has them.
    """
    square = config.preprocessing.square
    name = pixels_name(task.data.hashes, square, task.data.statistics.limits)
    store.shipped[name.key] = shipment.pixels[square]
    encoder, weights = config.backbone, task.weights
    if encoder not in shipment.weights:
        return task
    kind = weights.files[encoder].suffix
    path = store.keep_file(
        f"weights-{encoder.file_name}-{digest(weights.fingerprints[encoder])}{kind}",
        lambda: ray.get(shipment.weights[encoder]),
    )
    return replace(task, weights=replace(weights, files={encoder: path}))


@functools.cache
def node_store(cache: Path, budget: int, tables: Any) -> ArrayStore:
    """One store per process: an actor that is used again has its arrays open already.

    Args:
        cache: Folder on this node.
        budget: Bytes that all files in it may take together.
        tables: Actor that holds the stored tables of a cluster; None on one machine.
    """
    folder = cache.expanduser()
    return ArrayStore(folder, budget) if tables is None else ClusterStore(folder, budget, tables)


@private_files()  # on a node whose Ray we did not start, too
def run_trial(config: dict[str, Any], task: Task, shipment: Shipment | None) -> None:
    """Cross-validate one configuration on the resources that Ray allocated.

    An error of the trial's own is reported, not raised: Ray runs a trial again that raises, as it
    does one whose worker died, and this one would only fail again. An error of the machine is
    reported as such, and the search runs the trial again later.

    Args:
        config: `trial` holds the fields of a `TrialConfig`; `number` is Optuna's trial number.
        task: Everything that all trials share.
        shipment: images and weights; None on one machine, where the task's own files are.
    """
    try:
        last = _run_folds(TrialConfig(**config["trial"]), task, shipment)
    except Exception as error:
        if is_broken(error):
            # Ray ends a worker that raises, and runs the trial in another one
            raise BrokenWorkerError(in_a_line(error)) from error
        last = {**_describe(error), "traceback": traceback.format_exc()}
    tune.report(last)


def _describe(error: Exception) -> dict[str, str]:
    """The report of an error of the machine, or of the trial's own."""
    lost = machine_failure(error)
    if lost is not None:
        return {"lost": lost}
    return {"error": "".join(traceback.format_exception_only(error)).strip()}


def _run_folds(config: TrialConfig, task: Task, shipment: Shipment | None) -> dict[str, Any]:
    """Report what of the race and of the folds before the last one may end the trial.

    Returns:
        The metrics of the last fold. Nothing is left to do by then that could raise.
    """
    return_memory()  # of the trial that this process ran before
    resources = tune.get_context().get_trial_resources().required_resources
    use_threads(max(1, int(resources.get("CPU", 1))))
    num_gpus = resources.get("GPU", 0)
    device = pick_device(num_gpus, repeatable=task.repeatable)
    store = node_store(task.cache, task.cache_bytes, shipment and shipment.tables)
    if shipment is not None and isinstance(store, ClusterStore):
        task = unpack(shipment, task, config, store)
    weights = str(task.weights.start_of(config.backbone))
    num_raced = 0
    for lap in run_laps(config, task, device, store):
        num_raced += lap.record.num_forwarded
        told = as_metrics(replace(lap.record, fold=0, num_forwarded=num_raced), task)
        tune.report({**told, "percent": lap.percent, "weights": weights})
    records: Iterator[FoldRecord]
    if num_gpus > 1 and config.unfreeze:
        data, square = task.data, config.preprocessing.square
        # the ranks know no Ray to fetch them with
        load_pixels(data.paths, data.hashes, square, store, data.statistics.limits)
        records = cross_validate_on_ranks(int(num_gpus), device.type, config, task, store)
    else:  # of several GPUs, a frozen body's features need one
        records = cross_validate(config, task, device, store)
    for record in records:
        if record.fold < len(task.folds) and reports(config, record.fold, len(task.folds)):
            tune.report({**as_metrics(record, task), "weights": weights})
    record = replace(record, num_forwarded=record.num_forwarded + num_raced)
    return {**as_metrics(record, task), "weights": weights}


def as_metrics(record: FoldRecord, task: Task) -> dict[str, Any]:
    """The flat dictionary that Ray Tune takes. Undefined metrics are left out."""
    epoch = record.last_epoch
    objective, found = task.judge(record.scores)
    # a row of trials.csv has more than an F1 of one finding only
    f1 = float(f1_over_findings(counts_of(found), task.scoring.f1_average))
    of_one: Mapping[str, Any] = found[0] if len(found) == 1 else {"f1": f1}
    numbers = {
        "fold": record.fold,
        "objective": objective,
        **of_one,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "valid_loss": epoch.valid_loss,
        "valid_accuracy": epoch.valid_accuracy,
        "num_steps": epoch.num_steps,
        "source": record.source,
        "num_forwarded": record.num_forwarded,
    }
    metrics: dict[str, Any] = {key: value for key, value in numbers.items() if value is not None}
    metrics["scores"] = record.scores.tobytes()
    return metrics
