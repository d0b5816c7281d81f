"""Faults at random moments of a small search and its prediction: `python -m benchmarks.faults`.

A round starts a search, does one fault to it at a random moment, resumes until all trials have
ended, kills a prediction at a random moment, and predicts again. Then it checks that nothing was
lost, counted twice, or left behind. It prints a line per round, and a summary as JSON. What the
commands printed in a round with a problem is kept in `faults-round-N.txt`.

    python -m benchmarks.faults --rounds 20 --seed 1 --json faults.json

As root on Linux, a fault may also be a disk that is full from a random byte on. Where the
command `faketime` is installed, it may also be a clock that is an hour wrong after a SIGKILL.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from search.trial_log import ENDED
from trainable.cohort.cohort import Cohort
from trainable.cohort.phantoms import write_demo
from trainable.evaluation.metrics import evaluate
from trainable.files import hash_file
from trainable.places import scores_file
from trainable.winner import read_winner

_TRIALS = 6
_SEARCH = (
    *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none,one"),
    *("--image-size", "32", "--epochs", "1", "--folds", "3", "--repeats", "1"),
    *("--trials", str(_TRIALS), "--time-budget", "none"),
)
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
_PROCESSES = ("ray::", "raylet", "gcs_server")
_DISK_KB = (80, 400)
_END_SECONDS = 60
_KEPT = (".lock", ".validate_storage_marker")
"""Hidden files that a run folder may hold: our lock, and a file of Ray Tune."""


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="latest moment of a fault")
    parser.add_argument("--json", type=Path, help="file of the summary")
    args = parser.parse_args()
    if os.geteuid() == 0 and "CXR_FAULTS_INSIDE" not in os.environ:
        # the small disks are mounted for this process alone
        os.environ["CXR_FAULTS_INSIDE"] = "1"
        words = [sys.executable, "-m", "benchmarks.faults", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "-m", *words])
    rng = random.Random(args.seed)
    kinds = [*_SIGNALS, *_PROCESSES, "cache", *(("disk",) if os.geteuid() == 0 else ())]
    kinds += ["clock"] if shutil.which("faketime") else []
    wrong: Counter[str] = Counter()
    for number in range(1, args.rounds + 1):
        kind, began = rng.choice(kinds), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cxr-faults-") as folder:
            one = _Round(Path(folder), kind, rng, args.seconds)
            found = one.run()
            if found:
                shutil.copy(one.said, f"faults-round-{number}.txt")
        wrong.update(found)
        seconds = time.monotonic() - began
        print(f"{number:4d}  {one.fault:32}  {seconds:5.0f} s  {'; '.join(found) or 'all there'}")
        sys.stdout.flush()
    summary = {"rounds": args.rounds, "seed": args.seed, "wrong": dict(wrong)}
    print(json.dumps(summary))
    if args.json:
        args.json.write_text(json.dumps(summary) + "\n")
    sys.exit(bool(wrong))


class _Round:
    """One search with one fault, and one prediction that is killed once."""

    def __init__(self, folder: Path, kind: str, rng: random.Random, seconds: float) -> None:
        self._folder, self._kind, self._rng, self._seconds = folder, kind, rng, seconds
        self._run = folder / "disk" / "run"
        self._cache = folder / "cache"
        self._environment = dict(os.environ)
        self.said = folder / "said.txt"
        self.fault = kind

    def run(self) -> list[str]:
        """What is wrong after the round; nothing if all is there."""
        self._run.parent.mkdir()
        write_demo(self._folder / "demo", num_patients=40, num_test_patients=4, size=48)
        with self._small_disk():
            new = self._start("search", *_SEARCH, "--out", self._run)
            self._disturb(new)
            self._wait(new)
        for _ in range(4):
            is_run = (self._run / "settings.json").exists()
            how = ("--resume", self._run) if is_run else (*_SEARCH, "--out", self._run)
            if self._wait(self._start("search", *how)) == 0:
                break
        else:
            return [f"{self._kind}: the search does not end well"]
        return [f"{self._kind}: {problem}" for problem in (*self._of_search(), *self._of_models())]

    @contextlib.contextmanager
    def _small_disk(self) -> Iterator[None]:
        """For a full disk, put the run folder on a disk of few bytes, which is larger later."""
        place = self._run.parent
        if self._kind != "disk":
            yield
            return
        size = self._rng.randint(*_DISK_KB)
        self.fault = f"disk of {size} kB"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place], check=True)
        yield
        kept = self._folder / "kept"
        shutil.copytree(place, kept, symlinks=True)
        subprocess.run(["umount", place], check=True)
        shutil.copytree(kept, place, symlinks=True, dirs_exist_ok=True)

    def _start(self, module: str, *words: object) -> "subprocess.Popen[bytes]":
        given = [str(word) for word in (*words, "--cache", self._cache)]
        if module == "search" and "--resume" not in given:
            given += ["--data", str(self._folder / "demo" / "train.csv")]
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", module, *given], env=self._environment,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def _wait(self, process: "subprocess.Popen[bytes]") -> int:
        try:
            return process.wait(600)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _disturb(self, process: "subprocess.Popen[bytes]") -> None:
        moment = self._rng.uniform(0, self._seconds)
        end = time.monotonic() + moment
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.1)
        if self._kind == "disk" or process.poll() is not None:
            return
        self.fault = f"{self._kind} at {moment:.1f} s"
        if self._kind in _SIGNALS:
            process.send_signal(signal.Signals[self._kind])
        elif self._kind == "clock":
            process.kill()
            hours = self._rng.choice(("-1h", "+1h"))
            self.fault += f", then {hours}"
            # the command `faketime` waits for its child, and a kill would meet that one alone
            asked = ["faketime", "-f", hours, "printenv", "LD_PRELOAD"]
            library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
            self._environment |= {"LD_PRELOAD": library.strip(), "FAKETIME": hours}
        elif self._kind == "cache":
            shutil.rmtree(self._cache, ignore_errors=True)
        else:
            pids = [pid for pid, name in _below(process.pid) if self._kind in name]
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._rng.choice(pids), signal.SIGKILL)
            else:
                self.fault += " (missed)"

    def _of_search(self) -> Iterator[str]:
        trials = pd.read_csv(self._run / "trials.csv")
        if not trials["number"].is_unique:
            yield "a number is there twice"
        if trials["state"].isin(ENDED).sum() != _TRIALS:
            yield f"{trials['state'].isin(ENDED).sum()} trials have ended, not {_TRIALS}"
        labels = Cohort.load(self._run).labels
        for row in trials[trials["state"] == "complete"].to_dict("records"):
            scores = np.load(scores_file(self._run, row["number"]))
            if abs(evaluate(labels, scores, row["threshold"], "binary")["f1"] - row["f1"]) > 1e-6:
                yield "scores do not give the F1 of their row"
        read_winner(self._run)
        if left := [path.name for path in self._run.rglob(".*") if path.name not in _KEPT]:
            yield f"left: {', '.join(sorted(left))}"
        end = time.monotonic() + _END_SECONDS
        while (running := _naming(str(self._folder))) and time.monotonic() < end:
            time.sleep(1)
        if running:
            yield f"still running: {', '.join(sorted(set(running)))}"

    def _of_models(self) -> Iterator[str]:
        predict = (self._run, "--images", self._folder / "demo" / "test", "--seeds", "1")
        killed = self._start("analysis", *predict, "--out", self._folder / "one.csv")
        time.sleep(self._rng.uniform(0, self._seconds / 2))
        killed.kill()
        killed.wait()
        for name in ("one.csv", "two.csv"):
            words = (*predict, "--out", self._folder / name, "--overwrite")
            if self._wait(self._start("analysis", *words)):
                yield "a prediction does not end well"
                return
            shutil.rmtree(self._run / "models")
        files = (self._folder / "one_scores.csv", self._folder / "two_scores.csv")
        if len({hash_file(file) for file in files}) > 1:
            yield "predictions differ after a kill"


def _below(parent: int) -> Iterator[tuple[int, str]]:
    """Processes that a process has started, and those that they have, with their commands."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = int(path.parent.name), path.read_text().rpartition(")")[2]
            children.setdefault(int(rest.split()[1]), []).append(pid)
    waiting = [parent]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            waiting.append(pid)
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                yield pid, command.replace("\0", " ")


def _naming(text: str) -> list[str]:
    """Commands of all processes that have `text` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace").replace("\0", " ")
            if text in command:
                found.append(command[:60])
    return found


if __name__ == "__main__":
    main()
