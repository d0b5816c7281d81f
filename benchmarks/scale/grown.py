"""What a cohort that has grown costs: `python -m benchmarks.scale.grown`.

New phantoms: ten elevenths of the patients are searched first, then all of them, with the same
cache. Every pass of the encoders is run, without Ray and without training. The last line is JSON:
the images passed and the CPU seconds of the second search, as ratios to the first one, with the
normalization `cohort`, whose mean or deviation may have moved, and without it; and whether all
features are, to the bit, those of a search from nothing.
"""

import argparse
import dataclasses
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.quality.cohorts import new_phantoms
from benchmarks.speed.finetuning import CPU, cpu_seconds, images_of
from search.options.options import SearchOptions
from search.plan.planner import plan_search
from search.terminal.plan_lines import plan_lines
from trainable.backbones.encoder import Encoder
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import features_name, frozen_inputs
from trainable.images.preprocessing import NORMALIZATIONS
from trainable.store.arrays import ArrayStore
from trainable.trial.task import Task

_BY_COHORT = "cohort"


@dataclasses.dataclass(frozen=True)
class Passes:
    """What the passes of one search cost and gave, by encoder and normalization."""

    num_forwarded: pd.Series
    seconds: pd.Series
    features: dict[tuple[str, str], bytes]


def run_passes(task: Task, size: int, encoders: list[str], cache: Path) -> Passes:
    """Run each pass, or find what of it is stored."""
    task = dataclasses.replace(task, cache=cache)
    images, store = images_of(task, size), ArrayStore(cache)
    counts: dict[tuple[str, str], int] = {}
    seconds: dict[tuple[str, str], float] = {}
    features: dict[tuple[str, str], bytes] = {}
    for encoder in encoders:
        for normalization in NORMALIZATIONS:
            config = TrialConfig(
                backbone=encoder, cut=Encoder.read(encoder).network.cuts[-1], image_size=size,
                normalization=normalization,
            )  # fmt: skip
            body = Body(images, config, task.weights, CPU)
            one = (encoder, str(normalization))
            seconds[one], _ = cpu_seconds(partial(frozen_inputs, body, store))
            counts[one] = body.num_forwarded
            features[one] = np.asarray(store.get(features_name(body, images))).tobytes()
    return Passes(pd.Series(counts), pd.Series(seconds), features)


def main() -> None:
    """Print a line for each step, and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.grown", description=__doc__)
    parser.add_argument("--phantoms", type=int, default=440, help="images of the grown cohort")
    parser.add_argument("--backbones", default="squeezenet1_1,resnet18", help="as for cxr-search")
    parser.add_argument("--image-size", type=int, default=96, help="pixels (96)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoders = options.backbones.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = new_phantoms(folder / "phantoms", options.image_size, options.phantoms)
        patients = drawn["patient"].unique()
        known = drawn["patient"].isin(patients[: len(patients) * 10 // 11])
        found = []
        for number, (table, cache) in enumerate(
            [(drawn[known], "cache"), (drawn, "cache"), (drawn, "from-nothing")]
        ):
            data = folder / f"{number}.csv"
            table.to_csv(data, index=False)
            plan = plan_search(
                SearchOptions.of(
                    data=data, weights="none", backbones=options.backbones, unfreeze="none",
                    image_size=options.image_size, cache=folder / cache,
                )
            )  # fmt: skip
            print(next(line for line in plan_lines(plan) if "frozen networks" in line))
            found.append(run_passes(plan.task, options.image_size, encoders, folder / cache))
    first, grown, fresh = found
    shared = first.num_forwarded.index.get_level_values(1) != _BY_COHORT
    ratios = {
        "images passed": grown.num_forwarded[shared].sum() / first.num_forwarded[shared].sum(),
        "CPU seconds": grown.seconds[shared].sum() / first.seconds[shared].sum(),
        "images passed, with cohort": grown.num_forwarded.sum() / first.num_forwarded.sum(),
        "CPU seconds, with cohort": grown.seconds.sum() / first.seconds.sum(),
    }
    print(json.dumps({**ratios, "equal to the bit": grown.features == fresh.features}))


if __name__ == "__main__":
    main()
