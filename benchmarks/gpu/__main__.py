"""Whether a GPU computes what the CPU does, and how fast: `python -m benchmarks.gpu`, 8 minutes.

It needs neither Ray nor Optuna. `--device cpu` runs all of it small on a machine without a GPU.

Each line is a figure with the limit that it must keep. The command exits with 1 if one does not.
The last line is JSON.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.gpu.checks import (
    Bench,
    Line,
    features,
    finetuning,
    heads,
    out_of_memory,
    peak,
    precision_of_logits,
    share,
    waits,
)
from search.demo.phantoms import write_demo
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights
from trainable.device import pick_device
from trainable.images.preprocessing import PixelStatistics
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort
from trainable.trial.task import TrainingData

_COHORT_IS_NOT_USED = PixelStatistics(0.5, 0.25)
_FEW = ("squeezenet1_0", "resnet18")


def shared(bench: Bench) -> Iterator[Line]:
    """Two processes on one device, at once, each with half of it."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        both = list(pool.map(share, [bench, dataclasses.replace(bench, folder=bench.folder / "b")]))
    difference = abs(both[0]["auc"] - both[1]["auc"])
    yield Line("sharing", "two processes", difference, "of AUC", most=0.03)
    for number, one in enumerate(both, start=1):
        if "held" in one:
            yield Line("sharing", f"process {number}", one["held"], "of its memory", most=1)


def lines(bench: Bench, backbones: tuple[str, ...]) -> Iterator[Line]:
    """All figures."""
    yield from peak(bench)
    yield from features(bench, backbones)
    yield from heads(bench)
    yield from precision_of_logits(bench)
    yield from finetuning(bench)
    yield from waits(bench)
    yield from out_of_memory(bench)
    yield from shared(bench)


def main() -> None:
    """Print each figure as it comes, then all of them as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--weights", default="none", help="weights as cxr-search takes them (none)")
    parser.add_argument("--patients", type=int, help="patients of the cohort (600; 12 on a CPU)")
    parser.add_argument("--image-size", type=int, help="pixels (320; 32 on a CPU)")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    device = pick_device(1 if on_gpu else 0)
    size = options.image_size or (320 if on_gpu else 32)
    weights = find_weights(options.weights)
    backbones = tuple(name for name in weights.names if name in BACKBONES)
    if not on_gpu:
        print("not looked at without a GPU: memory, and whether a step of training waits for it")
    began, found = time.monotonic(), []
    with TemporaryDirectory(prefix="cxr-gpu-") as place:
        folder = Path(place)
        patients = options.patients or (600 if on_gpu else 12)
        write_demo(folder / "demo", patients, num_test_patients=1, size=size)
        cohort = read_cohort(DataOptions(data=folder / "demo" / "train.csv"))
        data = TrainingData.of(cohort, _COHORT_IS_NOT_USED)
        bench = Bench(device, data, weights, folder, size, 64 if on_gpu else 8)
        for line in lines(bench, backbones if on_gpu else _FEW):
            found.append(line)
            mark = "" if line.holds else "  WRONG"
            limit = _limit(line)
            print(f"{line.part:10} {line.what:46} {line.figure:10.4g} {line.unit:14}{limit}{mark}")
            sys.stdout.flush()
    name = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    wrong = [f"{line.part}: {line.what}" for line in found if not line.holds]
    summary = {
        "device": name,
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
        "lines": [dataclasses.asdict(line) for line in found],
    }
    print(json.dumps(summary))
    sys.exit(bool(wrong))


def _limit(line: Line) -> str:
    if line.most is not None:
        return f"at most {line.most:g}"
    return "" if line.least is None else f"at least {line.least:g}"


if __name__ == "__main__":
    main()
