"""What a search costs by its number of images: `python -m benchmarks.scale.growth --data DATA`.

One core, SqueezeNet 1.0, a quarter of the images and all of them: if a cost grows in proportion,
its figure for one image is the same in both columns. `docs/log.md` has the formulas. With
`--phantoms 20000` the images are new phantoms. `--project 377000` adds what so many images cost by
the straight line through the two sizes.
"""

import argparse
import dataclasses
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.quality.cohorts import new_phantoms
from benchmarks.speed.finetuning import CPU, cpu_seconds, images_of
from search.options.options import SearchOptions
from search.plan.planner import plan_search
from search.winner.selection import select
from trainable.cohort.scored import Scored
from trainable.cohort.splits import make_folds
from trainable.config import TrialConfig
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import metrics_at
from trainable.evaluation.scoring import Scoring
from trainable.features.body import Body
from trainable.features.tables import features_name, frozen_inputs
from trainable.images.pixels import load_grey_counts, load_looks, load_pixels, pixels_name
from trainable.images.preprocessing import Square
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate
from trainable.trial.task import Task, TrainingData

NUM_TRIALS = 50  # that the selection chooses among


def costs(
    task: Task, patients: NDArray[np.int64], config: TrialConfig, folder: Path
) -> dict[str, float]:
    """CPU seconds and bytes of each step, from nothing stored."""
    task = dataclasses.replace(task, cache=folder)
    store, data, size = ArrayStore(folder), task.data, config.image_size
    decode, _ = cpu_seconds(lambda: load_pixels(data.paths, data.hashes, Square(size), store))
    images = images_of(task, config.image_size)
    looks, _ = cpu_seconds(
        lambda: (
            load_looks(images.pixels, images.name, store),
            load_grey_counts(lambda: np.asarray(images.pixels), images.name, store),
        )
    )
    body = Body(images, config, task.weights, CPU)
    forward, _ = cpu_seconds(lambda: frozen_inputs(body, store))
    trial, records = cpu_seconds(lambda: list(cross_validate(config, task, CPU, store)))
    scored = Scored(data.labels, patients, np.tile(records[-1].scores, (NUM_TRIALS, 1, 1)))
    alone = Scored(data.labels, patients, records[-1].scores)
    tracemalloc.start()
    choice, _ = cpu_seconds(lambda: select(scored, Scoring()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    intervals, _ = cpu_seconds(
        lambda: estimate(alone, metrics_at(np.array([0.5], np.float32), Scoring(), 0.9))
    )
    return {
        "decode, s": decode,
        "looks and grey counts, s": looks,
        "forward pass, s": forward,
        "frozen trial with its features, s": trial,
        f"choice among {NUM_TRIALS} trials, s": choice,
        "intervals of all metrics, s": intervals,
        "memory of the choice, bytes": peak,
        "pixels, bytes": store.path(pixels_name(data.hashes, Square(size))).stat().st_size,
        "features, bytes": store.path(features_name(body, images)).stat().st_size,
    }


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.growth", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="as for cxr-search")
    source.add_argument("--phantoms", type=int, help="number of new phantoms to draw instead")
    parser.add_argument("--patient-pattern", help="as for cxr-search")
    parser.add_argument("--image-size", type=int, default=320, help="pixels (320)")
    parser.add_argument("--project", type=int, help="a number of images to project the costs to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = TrialConfig(image_size=options.image_size)
    with tempfile.TemporaryDirectory() as folder:
        if options.phantoms:
            drawn = new_phantoms(Path(folder, "phantoms"), options.image_size, options.phantoms)
            options.data = Path(folder, "phantoms.csv")
            drawn.to_csv(options.data, index=False)
        settings = SearchOptions.of(
            data=options.data, patient_pattern=options.patient_pattern, weights="none",
            backbones=(str(config.backbone),), image_size=options.image_size, cache=Path(folder),
        )  # fmt: skip
        prepared = plan_search(settings)
        cohort, table = prepared.cohort, {}
        # what is imported and allocated at the first call is no cost of the images
        for share in (1, 4, 1):
            part = dataclasses.replace(cohort, manifest=cohort.manifest[::share].reset_index())
            task = dataclasses.replace(
                prepared.task,
                data=TrainingData.of(part, prepared.task.data.statistics),
                folds=make_folds(part, settings.scoring.folds, settings.advanced.seed),
            )
            with tempfile.TemporaryDirectory() as empty:
                found = costs(task, part.patients, config, Path(empty))
            table[f"{len(part.labels)} images"] = found
    whole, quarter = list(table)
    frame = pd.DataFrame(table)[[quarter, whole]]
    sizes = {name: int(name.split()[0]) for name in (quarter, whole)}
    slope = (frame[whole] - frame[quarter]) / (sizes[whole] - sizes[quarter])
    for name, size in sizes.items():
        frame[f"for one of {name}"] = frame[name] / size
    if options.project:
        further = slope * (options.project - sizes[whole])
        frame[f"{options.project} images, projected"] = frame[whole] + further
    print(frame.to_string(float_format="{:,.4f}".format))


if __name__ == "__main__":
    main()
