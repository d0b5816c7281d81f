"""What probabilities, answers, intervals and pools by place cost: `benchmarks.speed.answers`.

On the demo, with nothing stored: a search without recalibration, the usual one, and one in a space
with the pools by place (`benchmarks/quality/by_place.yaml`), all in turns. Then predictions of the
demo's test images by the usual search, whose models are trained before: plain, with a promised
negative predictive value, and with an interval of each score. The last line is JSON.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.speed.checkouts import HERE, Checkout

SEARCHES = {
    "search, not recalibrated": ("--calibration", "none"),
    "search": (),
    "search, pools by place": ("--space", str(HERE / "benchmarks" / "quality" / "by_place.yaml")),
}
PREDICTIONS = {
    "prediction": (),
    "prediction, answers": ("--promise-npv", "0.95"),
    "prediction, how sure": ("--how-sure", "200"),
}
_USUAL, _PLAIN = "search", "prediction"


def run(*arguments: str | Path) -> dict[str, float]:
    """Run a command of this checkout, and say how long it took on the clock."""
    start = time.perf_counter()
    with Checkout("this", HERE).start(arguments, stdout=subprocess.DEVNULL) as process:
        if process.wait():
            raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return {"s": time.perf_counter() - start}


def of_turn(home: Path, trials: int) -> Iterator[dict[str, float | str]]:
    """A row per command; `stored MB` are the features that a search leaves behind."""
    for number, (name, options) in enumerate(SEARCHES.items()):
        cache, out = home / f"cache-{number}", home / f"run-{number}"
        where = ("--cache", cache, "--out", out, "--time-budget", "none")
        cost = run("-m", "search", "--data", "demo", "--trials", str(trials), *where, *options)
        features = [path.stat().st_size for path in cache.rglob("features-*") if path.is_file()]
        yield {"command": name, **cost, "stored MB": sum(features) / 1e6}
        if name == _USUAL:
            team, store = out, cache
    images = ("-m", "analysis", team, "--images", team / "demo" / "test", "--cache", store)
    run(*images, "--out", home / "first.csv")
    for number, (name, options) in enumerate(PREDICTIONS.items()):
        yield {"command": name, **run(*images, "--out", home / f"{number}.csv", *options)}


def main() -> None:
    """Print a row per command, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.answers")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--trials", type=int, default=50)
    options, rows = parser.parse_args(), []
    for _ in range(options.turns):
        with tempfile.TemporaryDirectory() as folder:
            for row in of_turn(Path(folder), options.trials):
                rows.append(row)
                print(row, flush=True)
    medians = pd.DataFrame(rows).groupby("command").median()
    found = {}
    for names, usual in ((SEARCHES, _USUAL), (PREDICTIONS, _PLAIN)):
        for name in names:
            ratios = medians.loc[name] / medians.loc[usual]
            found[name] = {
                "medians": medians.loc[name].dropna().round(1).to_dict(),
                "ratios": ratios.dropna().round(3).to_dict(),
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
