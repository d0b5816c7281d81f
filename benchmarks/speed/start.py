"""How long a search takes to begin and to end: `python -m benchmarks.speed.start --other CHECKOUT`.

The search runs twice, first with nothing stored and then with everything. Two checkouts take turns.
Further options are those of `cxr-search`.

The last line is JSON: medians in seconds, and the median over turns of this one's through those of
the other.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.speed.checkouts import Checkout, in_turns

_LOOK_SECONDS = 0.02

Times = dict[str, float]
"""Seconds from the command to what a user waits for."""


def time_search(checkout: Checkout, arguments: Sequence[str], folder: Path) -> Times:
    """Run a search to its end, and note when its first trial began and when it was printed.

    Args:
        checkout: Whose code runs.
        arguments: Options of the search.
        folder: A new folder for the run.

    Raises:
        RuntimeError: If the search fails.
    """
    command = ["-m", "search", *arguments, "--out", str(folder)]
    table, found = folder / "trials.csv", Times()
    printed = folder.with_suffix(".out")
    began = time.perf_counter()
    with printed.open("w") as out, checkout.start(command, out.fileno()) as process:
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            now = time.perf_counter() - began
            if "first trial" not in found and table.exists() and len(rows := pd.read_csv(table)):
                found["first trial"] = now - float(rows["seconds"].iloc[0])
            if "first line" not in found and "\ntrial " in printed.read_text():
                found["first line"] = now
    found["whole"] = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"the search of {checkout.folder} ended with {process.returncode}")
    return found


def take_turn(checkout: Checkout, arguments: Sequence[str], folder: Path) -> Times:
    """Two searches of a checkout, nothing stored and then everything."""
    found = Times()
    with_cache = [*arguments, "--cache", str(folder / "cache")]
    for what in ("cold", "stored"):
        times = time_search(checkout, with_cache, folder / what)
        found |= {f"{what}: {name}": seconds for name, seconds in times.items()}
    return found


def main() -> None:
    """Print a line for each turn, then all of it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", default="demo", help="as for cxr-search")
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--turns", type=int, default=5, help="turns that each of them takes")
    options, more = parser.parse_known_args()
    turns: dict[str, list[Times]] = defaultdict(list)
    for turn, checkout in in_turns(options.other, options.turns):
        with tempfile.TemporaryDirectory() as folder:
            times = take_turn(checkout, ["--data", options.data, *more], Path(folder))
        turns[checkout.name].append(times)
        shown = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in times.items())
        print(f"turn {turn + 1}, {checkout.name}: {shown}", flush=True)
    print(json.dumps({what: compared(turns, what) for what in turns["this"][0]}))


def compared(turns: dict[str, list[Times]], what: str) -> Times:
    """The median of each checkout, and of the ratios of the pairs."""
    found = {name: statistics.median(one[what] for one in times) for name, times in turns.items()}
    if "other" in turns:
        pairs = zip(turns["this"], turns["other"], strict=True)
        found["ratio"] = statistics.median(this[what] / other[what] for this, other in pairs)
    return {name: round(figure, 3) for name, figure in found.items()}


if __name__ == "__main__":
    main()
