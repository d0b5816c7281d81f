"""How fast a search is: against its forward passes alone, and against two scripts of Ray Tune.

One script is plain, as in Ray's own example (`plain.py`). The other stores the features of
one cut by hand, as a careful engineer does (`careful.py`).
"""

import argparse
import dataclasses
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.speed.careful import Key, time_careful_search
from benchmarks.speed.finetuning import CPU, images_of, time_finetuning
from benchmarks.speed.memory import PeakMemory
from benchmarks.speed.plain import time_plain_trials
from search.options.options import SearchOptions
from search.plan.planner import plan_search
from trainable.backbones.encoder import find_backbone
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.preprocessing import NormalizationName
from trainable.store.arrays import ArrayStore
from trainable.trial.task import Task

BACKBONES = ("squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34", "resnet50")
NORMALIZATIONS: tuple[NormalizationName, ...] = ("none", "imagenet")
FINETUNED = ("squeezenet1_0", "resnet18")
PLAIN_BATCHES = (4, 16, 64)


@dataclass(frozen=True)
class SearchRun:
    """One run of `cxr-search`, from command to end, in seconds of wall time."""

    wall: float
    first_trial: float
    last_trial: float
    num_trials: int
    num_forwarded: int
    keys: frozenset[Key]
    peak_gib: float

    @property
    def per_trial(self) -> float:
        """Seconds from one trial's end to the next, after the first."""
        return (self.last_trial - self.first_trial) / (self.num_trials - 1)


def run_search(options: argparse.Namespace, cache: Path, out: Path, trials: int) -> SearchRun:
    """Run the command as a user does, and watch its ledger."""
    command = [
        *(sys.executable, "-m", "search", *data_options(options), "--weights", "none"),
        *("--backbones", ",".join(BACKBONES), "--normalizations", ",".join(NORMALIZATIONS)),
        *("--unfreeze", "0", "--image-size", str(options.image_size), "--trials", str(trials)),
        *("--epochs", "5", "--repeats", "1", "--time-budget", "none"),
        *("--cache", str(cache), "--out", str(out)),
    ]
    ended: list[float] = []
    start = time.perf_counter()
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as process,
        PeakMemory(process.pid) as memory,
    ):
        while process.poll() is None:
            time.sleep(0.05)
            rows = num_rows(out / "trials.csv")
            ended.extend([time.perf_counter() - start] * (rows - len(ended)))
    wall = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"the search failed with {process.returncode}")
    ledger = pd.read_csv(out / "trials.csv")
    forwarded = int(ledger["num_forwarded"].sum())
    keys = frozenset(zip(ledger["backbone"], ledger["normalization"], strict=True))
    return SearchRun(wall, ended[0], ended[-1], len(ledger), forwarded, keys, memory.peak_gib)


def whole(backbone: str, **fields: Any) -> TrialConfig:
    """A configuration with the whole body of a backbone."""
    return TrialConfig(backbone=backbone, cut=find_backbone(backbone).cuts[-1], **fields)


def num_rows(ledger: Path) -> int:
    """Trials in a ledger."""
    return max(0, ledger.read_bytes().count(b"\n") - 1) if ledger.exists() else 0


def data_options(options: argparse.Namespace) -> list[str]:
    """The options that say where the images are."""
    pattern = ["--patient-pattern", options.patient_pattern] if options.patient_pattern else []
    return ["--data", str(options.data), *pattern]


def cohort_task(options: argparse.Namespace, cache: Path) -> Task:
    """What all trials share, read as a search reads it."""
    settings = SearchOptions.of(
        data=options.data,
        patient_pattern=options.patient_pattern,
        weights="none",
        backbones=BACKBONES,
        image_size=options.image_size,
        repeats=1,
        cache=cache,
    )
    return plan_search(settings).task


def forward_pass(task: Task, config: TrialConfig) -> None:
    """One pass of one body over all images, on one thread, kept in the task's cache."""
    torch.set_num_threads(1)
    body = Body(images_of(task, config.image_size), config, task.weights, CPU)
    frozen_inputs(body, ArrayStore(task.cache))


def time_floor(task: Task, size: int, keys: Iterable[Key]) -> float:
    """Wall seconds of forward passes alone, one a core, the longest first."""
    slowest_first = sorted(keys, key=lambda key: -BACKBONES.index(key[0]))
    configs = [whole(key[0], normalization=key[1], image_size=size) for key in slowest_first]
    start = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for done in [pool.submit(forward_pass, task, config) for config in configs]:
            done.result()
    return time.perf_counter() - start


def main() -> None:
    """Print the table, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.throughput", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="as for cxr-search")
    parser.add_argument("--patient-pattern", help="as for cxr-search")
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--warm-trials", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Run everything in `folder`, with caches that are empty at the start."""
    cold = run_search(options, folder / "cold-cache", folder / "cold", options.trials)
    print(f"cold search: {cold}", flush=True)
    task = cohort_task(options, folder / "cache")
    every = set(itertools.product(BACKBONES, NORMALIZATIONS))
    # the sampler leaves what does not look promising
    floor = time_floor(task, options.image_size, cold.keys)
    print(f"{len(cold.keys)} forward passes, those of the search: {floor:.1f} s", flush=True)
    floor_of_all = floor + time_floor(task, options.image_size, every - cold.keys)
    print(f"all {len(every)} forward passes: {floor_of_all:.1f} s", flush=True)
    warm = run_search(options, folder / "cache", folder / "warm", options.warm_trials)
    print(f"warm search: {warm}", flush=True)
    careful = time_careful_search(
        [
            whole(name, normalization=normalization, image_size=options.image_size, batch_size=32)
            for name, normalization in sorted(every)
        ],
        task,
        folder / "careful",
        options.trials,
    )
    print(f"careful search: {careful}", flush=True)
    batch = fairest_batch(task, options.image_size, folder)
    frozen = [whole(name, image_size=options.image_size, batch_size=batch) for name in BACKBONES]
    tuned = [
        whole(name, image_size=options.image_size, batch_size=batch, unfreeze=1)
        for name in FINETUNED
    ]
    plain = time_plain_trials(frozen, task, folder / "plain-frozen")
    plain_tuned = time_plain_trials(tuned, task, folder / "plain-tuned")
    epochs = len(task.folds) * frozen[0].epochs
    plain_wall = epochs * sum(cost.wall for cost in plain) / len(plain)
    plain_cpu = epochs * sum(cost.cpu for cost in plain) / len(plain)
    finetuning = {
        str(config.backbone): time_finetuning(task, config, cost.cpu)
        for config, cost in zip(tuned, plain_tuned, strict=True)
    }
    figures = {
        "frozen_trial_s": round(warm.per_trial, 3),
        "search_over_floor": round(cold.wall / floor, 2),
        "speedup_over_plain": round(plain_wall / 2 / (cold.wall / cold.num_trials), 1),
        "search_over_careful": round(cold.wall / careful.wall, 2),
        "finetune_speedup": {name: round(one.speedup, 2) for name, one in finetuning.items()},
        "warm_forward_passes": warm.num_forwarded // len(task.data.labels),
        "warm_first_trial_s": round(warm.first_trial, 1),
        "peak_gib": round(max(cold.peak_gib, warm.peak_gib), 2),
        "trials": cold.num_trials,
        "keys": len(cold.keys),
        "hardware": f"{os.cpu_count()} CPU cores, {processor()}",
    }
    rows = [
        ("search", f"{cold.wall:.0f} s", f"{cold.num_trials} trials, cold"),
        (
            "its forward passes alone",
            f"{floor:.0f} s",
            f"{len(cold.keys)}, on all cores; all {len(every)} take {floor_of_all:.0f} s",
        ),
        (
            "search with features stored by hand",
            f"{careful.wall:.0f} s",
            f"one cut; {careful.features:.0f} s of this for {len(every)} passes in batches of 32",
        ),
        ("first trial, all stored", f"{warm.first_trial:.1f} s", "from the command"),
        ("further trials, all stored", f"{warm.per_trial:.2f} s", "each, two at a time"),
        (
            "plain trial",
            f"{plain_wall:.0f} s, {plain_cpu:.0f} CPU s",
            f"mean of {len(plain)} backbones; one epoch of one fold timed, times {epochs}; "
            f"batches of {batch}",
        ),
    ]
    rows += [
        (
            f"last stage trained, {name}",
            f"{one.ours:.0f} CPU s",
            f"plain {one.plain:.0f} CPU s: {one.speedup:.1f} times; arithmetic allows "
            f"{one.limit:.1f}",
        )
        for name, one in finetuning.items()
    ]
    table = Table("", "time", "how", box=None)
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(table)
    print(json.dumps(figures))


def fairest_batch(task: Task, size: int, folder: Path) -> int:
    """The batch size that the plain script is fastest with."""
    few = dataclasses.replace(
        task, folds=(Fold(task.folds[0].train[:64], task.folds[0].valid[:16]),)
    )
    costs = {
        batch: time_plain_trials(
            [whole(BACKBONES[0], image_size=size, batch_size=batch)], few, folder / f"batch-{batch}"
        )[0].cpu
        for batch in PLAIN_BATCHES
    }
    return min(costs, key=lambda batch: costs[batch])


def processor() -> str:
    """What the machine calls its processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
