"""How fast frozen bodies are on a CPU: `python -m benchmarks.speed.floor`.

Each backbone computes the features of all cuts as a search does, and then torchvision's module as
it comes takes the same images, in batches of the same size and of 32. They take turns, and what
counts is the CPU time of one thread, so other work on the machine disturbs little.

The weights are random, which changes no time. The last line is JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.finetuning import CPU
from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.images.loading import Images
from trainable.images.preprocessing import PixelStatistics
from trainable.store.table_name import TableName

_BATCHES = 4, 32


def ratios(name: str, size: int, rounds: int) -> dict[str, float]:
    """Milliseconds of one image, and by how much torchvision's own module is slower."""
    weights = find_weights("none")
    pixels = np.random.default_rng(0).integers(0, 256, (max(_BATCHES), size, size), np.uint8)
    config = TrialConfig(backbone=name, cut=find_backbone(name).cuts[-1], image_size=size)
    images = Images(pixels, PixelStatistics(0.5, 0.25), TableName("pixels-noise", ()))
    body, model = Body(images, config, weights, CPU), weights.build(Encoder(name)).eval()
    rows = torch.arange(len(pixels))
    plain = images.as_seen_by(config.preprocessing, CPU)(rows).contiguous()
    works: dict[str, Callable[[], Any]] = {"ours": lambda: body.pooled(rows)}
    for batch in _BATCHES:
        works[f"batches of {batch}"] = partial(_each, model, plain.split(batch))
    found: dict[str, list[float]] = {what: [] for what in works}
    with torch.no_grad():
        for one in range(rounds + 1):
            for what, work in works.items():
                began = time.thread_time()
                work()
                if one:  # the first time, memory is allocated and norms are folded
                    found[what].append(time.thread_time() - began)
    ours = found.pop("ours")
    each = {"ms": 1e3 * statistics.median(ours) / len(rows)}
    for what, seconds in found.items():
        each[what] = statistics.median(a / b for a, b in zip(seconds, ours, strict=True))
    return {what: round(figure, 2) for what, figure in each.items()}


def _each(model: nn.Module, batches: Sequence[Tensor]) -> None:
    for batch in batches:
        model(batch)


def main() -> None:
    """Print a line for each backbone, then all of them as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.floor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbones", default=",".join(BACKBONES), help="names, with commas")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each of them takes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in options.backbones.split(","):
        each = found[name] = ratios(name, options.image_size, options.rounds)
        slower = ", ".join(f"{n:.2f} times in {what}" for what, n in each.items() if what != "ms")
        print(f"{name:20} {each['ms']:5.0f} ms an image; torchvision's: {slower}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
