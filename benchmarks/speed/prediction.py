"""What `cxr-predict` costs by a team of ten: `python -m benchmarks.speed.prediction`.

The team is that of a list of ten configurations over two bodies and three normalizations, on the
demo. Its models are trained before the clock starts, and nothing is stored of the new images. With
`--other FOLDER` another checkout scores the same images by models of its own, in turns. The last
line is JSON.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.quality.cohorts import new_phantoms
from benchmarks.speed.checkouts import HERE, Checkout, in_turns
from trainable.backbones.table import BACKBONES

BODIES = ("squeezenet1_0", "resnet18")
LOOKS = ("none", "imagenet", "image")
HEADS = ("logistic", "fastai")
NUM_MEMBERS = 10


def rows() -> list[dict[str, Any]]:
    """Ten configurations, whose normalizations take turns."""
    found = []
    for number in range(NUM_MEMBERS):
        body = BODIES[number // 2 % len(BODIES)]
        found.append(
            {
                "experiment": "team",
                "name": str(number),
                "backbone": body,
                "normalization": LOOKS[number % len(LOOKS)],
                "head": HEADS[number % len(HEADS)],
                "cut": (*BACKBONES[body].cuts[-2:], "fused")[number % 3],
            }
        )
    return found


def train_team(checkout: Checkout, folder: Path, size: int) -> Path:
    """Search the ten configurations, and let a first prediction train their models.

    Each checkout does so itself: it may not read the winner of another version.
    """
    folder.mkdir()
    space, run = folder / "team.yaml", folder / "run"
    space.write_text(
        yaml.safe_dump({"table": "counts", "base": {"image_size": size}, "rows": rows()})
    )
    search = (
        *("-m", "search", "--data", "demo", "--weights", "none", "--space", space),
        *("--team", str(NUM_MEMBERS), "--time-budget", "none"),
        *("--cache", folder / "cache", "--out", run),
    )
    first = ("-m", "analysis", run, "--images", run / "demo" / "test", "--out", folder / "p.csv")
    for arguments in (search, (*first, "--cache", folder / "cache")):
        with checkout.start(arguments, stdout=subprocess.DEVNULL) as process:
            if process.wait():
                raise RuntimeError(f"{arguments[1]} failed with {process.returncode}")
    return run


def predict(checkout: Checkout, run: Path, images: Path, home: Path) -> dict[str, float]:
    """One prediction with nothing stored of the images."""
    home.mkdir()
    out = home / "p.csv"
    arguments = (
        *(HERE / "benchmarks" / "speed" / "counted.py", run, "--images", images),
        *("--out", out, "--cache", home / "cache"),
    )
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with checkout.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        told, counted = process.communicate()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"the prediction of {checkout.folder} failed: {counted}")
    cost = re.search(r"cost per image: (\d+)", told)
    passed = re.search(r"passed: (\d+)", counted)
    assert cost is not None
    assert passed is not None
    num_images = len(pd.read_csv(out.with_name("p_scores.csv")))
    return {
        "passes told": int(cost[1]),
        "passes run": int(passed[1]) / num_images,
        "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall s": wall,
        "peak GiB": after.ru_maxrss / 2**20,
    }


def main() -> None:
    """Print a row per prediction, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.prediction", description=__doc__
    )
    parser.add_argument("--other", type=Path, help="root of another checkout")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--image-size", type=int, default=224)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        new_phantoms(home / "new", options.image_size, options.images)
        found, runs = [], {}
        for turn, checkout in in_turns(options.other, options.turns):
            if checkout.name not in runs:
                team = home / f"team of {checkout.name}"
                runs[checkout.name] = train_team(checkout, team, options.image_size)
            out = home / f"{checkout.name}-{turn}"
            cost = predict(checkout, runs[checkout.name], home / "new", out)
            found.append({"checkout": checkout.name, **cost})
            print(found[-1], flush=True)
    medians = pd.DataFrame(found).groupby("checkout").median()
    figures = {name: medians.loc[name].round(2).to_dict() for name in medians.index}
    if options.other is not None:
        figures["ratio"] = (medians.loc["this"] / medians.loc["other"]).round(3).to_dict()
    print(json.dumps({**figures, "hardware": f"{os.cpu_count()} CPU cores"}))


if __name__ == "__main__":
    main()
