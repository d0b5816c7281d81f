#!/usr/bin/env bash
# Guess: with TUNE_DISABLE_SIGINT_HANDLER=1, Ray Tune leaves the signals of a program alone.
#
# Seen with Ray 2.60.0: SIGINT is left alone, but Tune takes SIGUSR1, which Slurm and submitit send
# before a time limit. After the run it does not give SIGUSR1 back: the handler that the program had
# set is never called again.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "ray[tune]==2.60.0"

TUNE_DISABLE_SIGINT_HANDLER=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import signal
import sys

import ray
from ray import tune


def own(number: int, frame: object) -> None:
    """The program's handler."""


def trainable(config: dict) -> None:
    tune.report({"score": 1})


for number in (signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, own)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
signal.signal(signal.SIGINT, own)  # whatever ray.init does
signal.signal(signal.SIGUSR1, own)
run = tune.RunConfig(storage_path=sys.argv[1], name="run", verbose=0)
tune.Tuner(trainable, run_config=run).fit()
kept = {number.name: signal.getsignal(number) is own for number in (signal.SIGINT, signal.SIGUSR1)}
print(f"Ray {ray.__version__}; after Tune's run the program's handler is still there: {kept}")
assert kept == {"SIGINT": True, "SIGUSR1": False}
PYTHON
