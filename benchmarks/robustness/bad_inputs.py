"""Bad input, and what the commands make of it: `python -m benchmarks.robustness.bad_inputs`.

More than 400 inputs are generated from a seed. Each is given to one command: `cxr-search` up to its
first trial (all of `search.launch` that reads, checks and prints, with Ray left out), `cxr-sort`
whole, or `cxr-predict` whole, with a model that was trained before. A command runs through its own
door, in a forked process with limits of time and memory.

Each input must be read rightly: exit status 0, and the odd image is what the file shows. A note
must name an image of one grey. Or the input must be refused: exit status 2, sentences that name the
file, no traceback, nothing trained, and no file left, in the cache neither.

Prints a line per kind, every fault with its output, and JSON in the last line. The exit status is 1
if there is a fault.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import search.launch
import search.tune.cluster
from analysis.command import app as predict_app
from benchmarks.robustness.bad_cases import BadInput, image_inputs, write_cohort
from benchmarks.robustness.bad_table_cases import table_inputs
from benchmarks.robustness.forked import Ended, run_forked
from search.command import app as search_app
from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.tune.callbacks import View
from search.tune.study import open_study
from search.winner.winner import choose_winner
from trainable.commands.cli import run
from trainable.commands.sort import app as sort_app
from trainable.config import TrialConfig
from trainable.run.winner import save_winner
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate

_SIZE = 64
_MOST_SECONDS = 60
_MOST_MIB = 512
_MOST_MIB_OF_TABLES = 1024  # where a table has a million rows and more
_CLOSE = 24  # grey levels, for JPEG
_NO_SENTENCE = re.compile(r"Traceback|<_io|object at 0x|site-packages|\[Errno|Warning:")
_ONE_GREY = "of one grey"
_LATE_READING = "trainable.reading.read_cohort"
_IMPORTED_LATE = ("analysis.launch", _LATE_READING, "pydicom", "imagehash", "openpyxl")
_SEARCH = [
    "--weights", "none", "--backbones", "squeezenet1_1", "--image-size", str(_SIZE),
    "--folds", "2", "--repeats", "1",
]  # fmt: skip


class Harness:
    """Runs inputs in a folder, with a run folder for `cxr-predict`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run = folder / "run"
        self._seen = folder / "seen.npy"
        for module in _IMPORTED_LATE:  # once, and not in every fork
            importlib.import_module(module)

    def train(self) -> None:
        """Search one trial without Ray, and predict once, so that the model is there."""
        place = self._folder / "trained"
        place.mkdir()
        arguments = [*write_cohort(place), *_SEARCH, "--out", str(self._run), "--cache", "cache"]
        self._must(place, lambda: _search(arguments, _one_trial))
        shutil.copytree(place / "images", place / "new")
        again = [str(self._run), "--images", "new", "--seeds", "1", "--cache", "cache"]
        self._must(place, lambda: run(predict_app, again))

    def fault(self, case: BadInput) -> tuple[str, Ended]:
        """What is wrong with how a command ends; nothing if all is right."""
        place = self._folder / "input"
        place.mkdir()
        place.chmod(0o777)
        self._seen.unlink(missing_ok=True)
        try:
            arguments = self._arguments(case, _in_folder(place, case.write))
            before = _listing(place), _listing(self._run)
            ended = run_forked(
                self._command(case, arguments), place, _MOST_SECONDS, as_nobody=case.as_nobody
            )
            changed = sorted(_listing(place) - before[0]), _listing(self._run) != before[1]
            return self._judge(case, ended, *changed), ended
        finally:
            _remove(place)

    def _must(self, place: Path, command: Callable[[], object]) -> None:
        ended = run_forked(command, place, 10 * _MOST_SECONDS)
        if ended.code:
            raise RuntimeError(ended.output)

    def _arguments(self, case: BadInput, arguments: list[str]) -> list[str]:
        if case.command == "sort":
            return [*arguments, "--out", "out"]
        if case.command == "search":
            return [*arguments, *_SEARCH, "--out", "out", "--cache", "cache"]
        out = ["--out", "out.csv", "--seeds", "1", "--cache", "cache"]
        return [str(self._run), *arguments, *out]

    def _command(self, case: BadInput, arguments: list[str]) -> Callable[[], object]:
        if case.command == "search":
            return lambda: _search(arguments, self._keep_last)
        return lambda: run(sort_app if case.command == "sort" else predict_app, arguments)

    def _keep_last(self, plan: SearchPlan, run: RunFolder, view: View) -> None:
        """In place of the trials: keep the pixels of the odd image, which is the last one."""
        np.save(self._seen, plan.pixels[max(plan.pixels)][-1])
        sys.stdout.flush()
        sys.exit(0)

    def _judge(self, case: BadInput, ended: Ended, left: list[str], is_changed: bool) -> str:
        if ended.is_late:
            return f"not ended after {_MOST_SECONDS} seconds"
        most_mib = _MOST_MIB_OF_TABLES if case.kind == "enormous tables" else _MOST_MIB
        if ended.mib > most_mib:
            return f"{ended.mib:.0f} MiB of memory"
        if found := _NO_SENTENCE.search(ended.output):
            return f"says {found[0]}"
        if is_changed:
            return "the run folder has changed"
        if ended.code == 2:
            if case.wanted == "read":
                return "refused, though it can be read"
            if not any(text in _unwrapped(ended.output) for text in map(_unwrapped, case.named)):
                return f"the refusal does not name {case.named[0]!r}"
            return f"left {', '.join(left)}" if left else ""
        if ended.code != 0:
            return f"exit status {ended.code}"
        if case.wanted == "refused":
            return "read, though it must be refused"
        return self._misread(case, ended) if case.command == "search" else ""

    def _misread(self, case: BadInput, ended: Ended) -> str:
        seen = np.load(self._seen).astype(int)
        if np.ptp(seen) < 8 and _ONE_GREY not in ended.output:
            return "read as one grey, and no note says so"
        if case.shows is not None:
            far = np.abs(seen - _square(case.shows)).max()
            if far > _CLOSE:
                return f"misread: {far} grey levels off"
        return ""


def _search(arguments: list[str], trials: Callable[..., object]) -> None:
    """`cxr-search` without Ray, with something else in place of its trials."""

    @contextlib.contextmanager
    def no_cluster(*_: object) -> Iterator[Callable[[], None]]:
        yield lambda: None

    with (
        patch.object(search.launch, "run_trials", trials),
        patch.object(search.tune.cluster, "cluster", no_cluster),
    ):
        run(search_app, arguments)


def _one_trial(plan: SearchPlan, run: RunFolder, view: View) -> None:
    """One trial as a worker runs it, and the winner."""
    config = TrialConfig(
        backbone="squeezenet1_1", cut="features", head="logistic", C=0.01, image_size=_SIZE
    )
    store = ArrayStore(plan.task.cache)
    *_, last = cross_validate(config, plan.task, torch.device("cpu"), store)
    objective, [evaluation] = plan.task.judge(last.scores)
    facts = {**evaluation, "objective": objective, **vars(last.last_epoch)}
    open_study(run, plan.space_here(has_gpu=False))
    run.log.add(0, "complete", config.model_dump(mode="json"), facts, scores=last.scores)
    winner = choose_winner(run, plan)
    assert winner is not None
    save_winner(winner, run.path)
    sys.exit(0)


def _square(shows: NDArray[np.uint8]) -> NDArray[np.int64]:
    resized = Image.fromarray(shows).resize((_SIZE, _SIZE), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.int64)


def _unwrapped(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _in_folder(place: Path, write: Callable[[Path], list[str]]) -> list[str]:
    with contextlib.chdir(place):
        return write(place)


def _listing(folder: Path) -> set[str]:
    """All files and folders; of a cache, what is not whole."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if not name.startswith("cache") or ".parts" in name}


def _remove(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink() and path.is_file():
            path.chmod(0o600)
    shutil.rmtree(folder)


def _report(kind: str, ends: Counter[str]) -> None:
    print(
        f"{kind:32s}{ends['read']:5d} right readings{ends['refused']:5d} refused"
        f"{ends['fault']:5d} faults"
    )


def main() -> None:
    """Run all inputs, or those of some kinds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="", help="only kinds that this pattern finds")
    parser.add_argument("--every", type=int, default=1, help="only every Nth input of a kind")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    faults, most_mib, numbers = [], 0.0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        harness = Harness(Path(folder))
        harness.train()
        for case in itertools.chain(image_inputs(options.seed), table_inputs()):
            numbers[case.kind] += 1
            if not re.search(options.kind, case.kind) or (numbers[case.kind] - 1) % options.every:
                continue
            fault, ended = harness.fault(case)
            most_mib = max(most_mib, ended.mib)
            how = "fault" if fault else "refused" if ended.code else "read"
            counts.setdefault(case.kind, Counter())[how] += 1
            if fault:
                faults.append(case.name)
                print(f"FAULT {case.kind}: {case.name!r} ({case.command}): {fault}")
                print(ended.output[-1500:].rstrip() + "\n", flush=True)
    for kind, ends in counts.items():
        _report(kind, ends)
    total = sum(counts.values(), Counter())
    print(
        json.dumps(
            {
                "seed": options.seed, "inputs": total.total(), **total, "faults": faults,
                "most_mib": round(most_mib), "kinds": counts,
            }
        )
    )  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
