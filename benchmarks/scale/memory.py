"""What a search needs of the memory: `python -m benchmarks.scale.memory`, about 10 minutes.

Ten passes, of five bodies and two normalizations, and a logistic and a network head on each, on the
demo at 320 px, with nothing stored. It is the sum of proportional set sizes (PSS) of all processes
at its largest. With `--other FOLDER` another checkout does the same, in turns. The last line is
JSON.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.speed.checkouts import Checkout, in_turns
from benchmarks.speed.memory import PeakMemory

BODIES = ("squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34", "resnet50")
LOOKS = ("none", "imagenet")
HEADS = ("logistic", "fastai")


def rows(bodies: Sequence[str]) -> list[dict[str, str]]:
    """A configuration of each body, normalization and head, on the features of all stages."""
    return [
        {
            "experiment": "memory",
            "name": f"{body} {look} {head}",
            "backbone": body,
            "normalization": look,
            "head": head,
            "cut": "fused",
        }
        for body in bodies
        for look in LOOKS
        for head in HEADS
    ]


def search(checkout: Checkout, home: Path, space: Path) -> PeakMemory:
    """One search with nothing stored."""
    arguments = (
        *("-m", "search", "--data", "demo", "--weights", "none", "--space", space),
        *("--time-budget", "none", "--cache", home / "cache", "--out", home / "run"),
    )
    with (
        checkout.start(arguments, stdout=subprocess.DEVNULL) as process,
        PeakMemory(process.pid) as memory,
    ):
        if process.wait():
            raise RuntimeError(f"the search of {checkout.folder} failed")
    return memory


def table(memory: PeakMemory) -> pd.DataFrame:
    """GiB by process and kind of pages, the largest first."""
    parts = pd.Series(memory.parts).unstack(fill_value=0)
    parts["all"] = parts.sum(axis=1)
    return parts.sort_values("all", ascending=False).round(3)


def main() -> None:
    """Print a table per search, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.memory", description=__doc__)
    parser.add_argument("--other", type=Path, help="root of another checkout")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--bodies", default=",".join(BODIES))
    options = parser.parse_args()
    asked = {
        "table": "counts",
        "base": {"image_size": options.image_size},
        "rows": rows(options.bodies.split(",")),
    }
    found = []
    for turn, checkout in in_turns(options.other, options.turns):
        with tempfile.TemporaryDirectory() as folder:
            space = Path(folder, "space.yaml")
            space.write_text(yaml.safe_dump(asked))
            memory = search(checkout, Path(folder), space)
        print(f"{checkout.name}, turn {turn}:\n{table(memory).to_string()}", flush=True)
        found.append({"checkout": checkout.name, "peak_gib": memory.peak_gib})
    peaks = pd.DataFrame(found).groupby("checkout")["peak_gib"].median()
    figures: dict[str, Any] = {f"{name}_gib": round(peak, 2) for name, peak in peaks.items()}
    if options.other is not None:
        figures["ratio"] = round(peaks["this"] / peaks["other"], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
