"""Faults at random moments of a search: `python -m benchmarks.robustness.faults`.

A round does one fault to a search at a random moment, and the next round resumes that search. After
some rounds the search is resumed until all trials have ended, a prediction is killed at a random
moment, and the prediction is made again. Each time it is checked that nothing was lost, counted
twice, or left behind. It prints a line per round, and a summary as JSON. What the commands of a
search with a problem printed is kept in `faults-search-N.txt`.

    python -m benchmarks.robustness.faults --rounds 20 --seed 1 --json faults.json

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

from search.demo.phantoms import write_demo
from search.run.trial_log import ENDED
from trainable.cohort.cohort import Cohort
from trainable.evaluation.metrics import evaluate
from trainable.evaluation.scoring import Scoring
from trainable.files import hash_file
from trainable.run.places import scores_file
from trainable.run.winner import read_winner

_TRIALS = 24
_SEARCH = (
    *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "0,1"),
    *("--image-size", "32", "--epochs", "1", "--folds", "3", "--repeats", "1"),
    *("--trials", str(_TRIALS), "--time-budget", "none"),
)
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGKILL")
_PROCESSES = ("ray::", "raylet", "gcs_server")
_DISK_KB = (80, 400)
_END = "resumed and predicted"
_END_SECONDS = 60
_KEPT = (".lock", ".validate_storage_marker")
"""Hidden files that a run folder may hold: our lock, and a file of Ray Tune."""


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--faults", type=int, default=4, help="faults to one search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="latest moment of a fault")
    parser.add_argument("--json", type=Path, help="file of the summary")
    args = parser.parse_args()
    if os.geteuid() == 0 and "CXR_FAULTS_INSIDE" not in os.environ:
        # the small disks are mounted for this process alone
        os.environ["CXR_FAULTS_INSIDE"] = "1"
        words = [sys.executable, "-m", "benchmarks.robustness.faults", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "-m", *words])
    rng = random.Random(args.seed)
    wrong: Counter[str] = Counter()
    number = 0
    while number < args.rounds:
        num_faults = min(args.faults, args.rounds - number)
        with tempfile.TemporaryDirectory(prefix="cxr-faults-") as folder:
            search = _Search(Path(folder), rng, args.seconds)
            began, of_search = time.monotonic(), 0
            for what, found in search.run(num_faults):
                seconds, began = time.monotonic() - began, time.monotonic()
                is_fault = what != _END
                number += is_fault
                label = f"{number:4d}" if is_fault else "    "
                print(f"{label}  {what:32}  {seconds:5.0f} s  {'; '.join(found) or 'all there'}")
                sys.stdout.flush()
                wrong.update(f"{what.split()[0]}: {problem}" for problem in found)
                of_search += len(found)
            if of_search:
                shutil.copy(search.said, f"faults-search-{number}.txt")
    summary = {"rounds": args.rounds, "seed": args.seed, "wrong": dict(wrong)}
    print(json.dumps(summary))
    if args.json:
        args.json.write_text(json.dumps(summary) + "\n")
    sys.exit(bool(wrong))


class _Search:
    """One search with some faults, and one prediction that is killed once."""

    def __init__(self, folder: Path, rng: random.Random, seconds: float) -> None:
        self._folder, self._rng, self._seconds = folder, rng, seconds
        self._run = folder / "disk" / "run"
        self._cache = folder / "cache"
        self._environment = dict(os.environ)
        self.said = folder / "said.txt"

    def run(self, num_faults: int) -> Iterator[tuple[str, list[str]]]:
        """Each fault, at last the end, and what is wrong after it; nothing if all is there."""
        self._run.parent.mkdir()
        write_demo(self._folder / "demo", num_patients=40, num_test_patients=4, size=48)
        kinds = [*_SIGNALS, *_PROCESSES, "cache", *(["clock"] if shutil.which("faketime") else [])]
        for number in range(num_faults):
            is_first_as_root = number == 0 and os.geteuid() == 0
            kind = self._rng.choice([*kinds, "disk"] if is_first_as_root else kinds)
            fault: str | None
            if kind == "disk":
                size = self._rng.randint(*_DISK_KB)
                fault = f"disk of {size} kB"
                with self._small_disk(size):
                    self._wait(self._start_search())
            else:
                process = self._start_search()
                fault = self._disturb(process, kind)
                self._wait(process)
            if not fault:
                break
            yield fault, list(self._of_log())
        for _ in range(4):
            if self._wait(self._start_search()) == 0:
                yield _END, [*self._of_search(), *self._of_models()]
                return
        yield _END, ["the search does not end well"]

    @contextlib.contextmanager
    def _small_disk(self, size: int) -> Iterator[None]:
        """Put the run folder on a disk of so many kB, which is larger later."""
        place = self._run.parent
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place], check=True)
        yield
        kept = self._folder / "kept"
        shutil.copytree(place, kept, symlinks=True)
        subprocess.run(["umount", place], check=True)
        shutil.copytree(kept, place, symlinks=True, dirs_exist_ok=True)

    def _start_search(self) -> "subprocess.Popen[bytes]":
        is_run = (self._run / "settings.json").exists()
        new = (*_SEARCH, "--data", self._folder / "demo" / "train.csv", "--out", self._run)
        return self._start("search", *(("--resume", self._run) if is_run else new))

    def _start(self, module: str, *words: object) -> "subprocess.Popen[bytes]":
        given = [str(word) for word in (*words, "--cache", self._cache)]
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

    def _disturb(self, process: "subprocess.Popen[bytes]", kind: str) -> str | None:
        """Do something to a search at a random moment; what it was, None if it had ended before."""
        moment = self._rng.uniform(0, self._seconds)
        end = time.monotonic() + moment
        pids: list[int] = []
        while process.poll() is None and (time.monotonic() < end or not pids):
            pids = [pid for pid, name in _below(process.pid) if kind in name]
            pids = pids if kind in _PROCESSES else [process.pid]
            time.sleep(0.1)
        if process.poll() is not None:
            return None
        fault = f"{kind} at {max(moment, moment + time.monotonic() - end):.1f} s"
        if kind in _SIGNALS:
            process.send_signal(signal.Signals[kind])
        elif kind == "clock":
            process.kill()
            hours = self._rng.choice(("-1h", "+1h"))
            # the command `faketime` waits for its child, and a kill would meet that one alone
            asked = ["faketime", "-f", hours, "printenv", "LD_PRELOAD"]
            library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
            self._environment |= {"LD_PRELOAD": library.strip(), "FAKETIME": hours}
            return f"{fault}, then {hours}"
        elif kind == "cache":
            shutil.rmtree(self._cache, ignore_errors=True)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._rng.choice(pids), signal.SIGKILL)
        return fault

    def _of_log(self) -> Iterator[str]:
        """What is wrong with the trials that have ended so far."""
        if not (self._run / "trials.csv").exists():
            return
        trials = pd.read_csv(self._run / "trials.csv")
        if not trials["number"].is_unique:
            yield "a number is there twice"
        labels = Cohort.load(self._run).labels
        for row in trials[trials["state"] == "complete"].to_dict("records"):
            scores = np.load(scores_file(self._run, row["number"]))
            [found] = evaluate(labels, scores, np.array([row["threshold"]]), Scoring())
            if abs(found["f1"] - row["f1"]) > 1e-6:
                yield "scores do not give the F1 of their row"

    def _of_search(self) -> Iterator[str]:
        yield from self._of_log()
        trials = pd.read_csv(self._run / "trials.csv")
        if trials["state"].isin(ENDED).sum() != _TRIALS:
            yield f"{trials['state'].isin(ENDED).sum()} trials have ended, not {_TRIALS}"
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
