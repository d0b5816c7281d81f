"""What a race of encoders saves and costs: `python -m benchmarks.quality.race [--resplits 1]`.

    python -m benchmarks.quality.race --data FOLDER --train-share 0.85 --backbones NAME@FILE,NAME

Each resplit is a fresh demo cohort, or a part of the patients of a cohort. `cxr-search` runs on it
twice, with `--race auto` and with `--race no`, each with nothing stored, in turns. Compared are the
images that were passed through frozen networks, and the winner on new phantoms or on the other
patients: its AUC and F1, and its encoders. Encoders that name no weights have random ones.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.quality.__main__ import difference
from benchmarks.quality.cohorts import Resplit, demo_resplits, resplits
from benchmarks.quality.methods import Row, Setup, predict_test, run_search
from trainable.backbones.encoder import Encoder
from trainable.backbones.table import BACKBONES

_RACES = ("auto", "no")


def run_race(part: Resplit, setup: Setup, race: str) -> Row:
    """Search and predict once; a row of what that took and what it found."""
    run, cpu = run_search(part, setup, race, "--trials", str(setup.trials), "--race", race)
    row = predict_test(part, setup, race, run, cpu)
    trials = pd.read_csv(run / "trials.csv")
    winner = json.loads((run / "winner.json").read_text())
    return {
        **row,
        "images_passed": float(trials["num_forwarded"].sum()),
        "stopped": float((trials["state"] == "stopped").sum()),
        "complete": float((trials["state"] == "complete").sum()),
        "encoders": ", ".join(sorted({one["config"]["backbone"] for one in winner["members"]})),
    }


def main() -> None:
    """Run all resplits; print a line for each search, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.race")
    add = parser.add_argument
    add("--data", default="demo", help="demo, or the labelled images as cxr-search takes them")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--train-share", type=float, default=0.85, help="share of the patients to train on (0.85)")
    add("--resplits", type=int, default=1, help="number of resplits (1)")
    add("--first", type=int, default=0, help="number of the first one, its seed (0)")
    add("--trials", type=int, default=60, help="trials per search (60)")
    add("--time-budget", default="none", help="time per search, such as 60s (none)")
    add("--image-size", type=int, default=96, help="pixels (96)")
    add("--new-phantoms", type=int, default=5000, help="phantoms to judge the winners on (5,000)")
    add("--backbones", default=",".join(BACKBONES), help="encoders to race (all of torchvision)")
    options = parser.parse_args()
    names = tuple(str(Encoder.read(name)) for name in options.backbones.split(","))
    rows = []
    with TemporaryDirectory(prefix="cxr-race-") as folder:
        numbers = range(options.first, options.first + options.resplits)
        home, size = Path(folder), options.image_size
        if options.data == "demo":
            parts = demo_resplits(home, numbers, size, options.new_phantoms)
        else:
            data, pattern = Path(options.data), options.patient_pattern
            parts = resplits(home, data, pattern, numbers, options.train_share)
        for part in parts:
            for table, name in ((part.train, "train"), (part.test, "test")):
                table.to_csv(part.folder / f"{name}.csv", index=False)
            for race in _RACES if part.number % 2 else _RACES[::-1]:
                cache = part.folder / f"cache-{race}"
                setup = Setup("none", size, options.trials, cache, (), names, options.time_budget)
                rows.append(run_race(part, setup, race))
                print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    images = table.pivot_table(index="resplit", columns="method", values="images_passed")
    found = {
        "images_passed_ratio": round(float((images["auto"] / images["no"]).mean()), 3),
        **{f"auto_minus_no_{figure}": difference(table, "auto", "no", figure)
           for figure in ("auc", "f1", "cpu_s")},
        "encoders": table.groupby("method")["encoders"].apply(list).to_dict(),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
