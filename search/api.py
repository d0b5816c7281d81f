"""Search from Python or a notebook: `from search import run_search, read_run`.

The search runs in a process of its own, as the command does. So Ray, its workers and the signals of
a search stay out of the notebook, and what one can do the other can.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from search.options.command_line import command_line
from search.options.options import SearchOptions
from search.results.best_trials import by_encoder
from search.results.run_result import RunResult
from trainable.errors import InputError, did_you_mean, explain
from trainable.run.winner import Winner

_REFUSED = 2
_TRIAL = re.compile(r"trial +\d+  (?:F1 (?P<f1>[\d.]+)|\w+:)")
_TOTAL = re.compile(r"(?P<total>\d+) trials, each scored")


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        run: Run folder, which `cxr-predict`, `cxr-report` and `cxr-export` take.
        winner: The winner, with its members, threshold and metrics.
    """

    run: Path
    winner: Winner
    _read: RunResult

    @property
    def expected_f1(self) -> float:
        """The F1 to expect on new patients, without the luck of the choice."""
        return self.winner.corrected.f1

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `expected_f1`."""
        return self.winner.corrected.interval

    @property
    def trials(self) -> pd.DataFrame:
        """Every trial that ended, a row each, as in `trials.csv`."""
        return self._read.trials.copy()

    @cached_property
    def encoders(self) -> pd.DataFrame:
        """The best trial of each encoder with its interval, the best encoder first."""
        return by_encoder(self._read)

    @property
    def scores(self) -> pd.DataFrame:
        """Out-of-fold scores of the winner, a row per scored examination.

        Columns: `image` (or `exam`), `patient`, `label` (1 positive), `score` (0 to 1) and
        `predicted` (1 positive).
        """
        read, unit = self._read, self._read.cohort.grouping.column
        table = read.cohort.exams.loc[read.rows, [unit, "patient", "label"]]
        [scores], [threshold] = read.scored.scores.T, self.winner.thresholds
        predicted = (scores >= np.float32(threshold)).astype(int)
        return table.assign(score=scores, predicted=predicted).reset_index(drop=True)

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"SearchResult({str(self.run)!r}: F1 to expect {self.expected_f1:.3f}, "
            f"{low:.3f} to {high:.3f})"
        )


def read_run(run: Path | str) -> SearchResult:
    """Read what a search found.

    Raises:
        InputError: If it is no run folder of this version, or has no winner yet.
    """
    read = RunResult.read(Path(run))
    return SearchResult(read.run.path, read.winner, read)


def run_search(
    data: Path | str,
    *,
    out: Path | str | None = None,
    progress: bool = True,
    **options: Any,
) -> SearchResult:
    """Run a search, and read its result.

    To interrupt it ends it with the winner so far.

    Args:
        data: A table, a folder with a folder per class, or `demo`.
        out: Run folder to make; runs/NAME, after the data, if None.
        progress: Whether to print what is known of the data, and one line of progress.
        options: Options of `cxr-search` by their names, such as `trials=20` or
            `backbones=("resnet18",)`.

    Raises:
        InputError: Naming every option or input that is refused.
        RuntimeError: If the search ended without a winner, with what it printed last.
    """
    words = command_line(_checked({"data": data, **options}))[1:]
    if out is not None:
        words += ["--out", str(out)]
    command = [sys.executable, "-m", "search", *words, "--json"]
    # a kernel makes programs believe that its output is a terminal (FORCE_COLOR)
    plain = {**os.environ, "TTY_COMPATIBLE": "0"}
    # errors go to a file: a pipe that nobody reads meanwhile would stop the search once it is full
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, env=plain
        ) as process,
    ):
        assert process.stdout
        said = list(_followed(process, process.stdout, progress=progress))
        process.wait()
        complaints.seek(0)
        errors = complaints.read().strip()
    if process.returncode == _REFUSED:
        raise InputError(*_sentences(errors))
    if not said or not said[-1].startswith("{"):
        raise RuntimeError(errors or "\n".join(said[-5:]) or "the search ended at once")
    summary = json.loads(said[-1])
    if summary["winner"] is None:
        raise RuntimeError(f"no trial completed; look into {summary['run']}/errors")
    return read_run(summary["run"])


def _checked(options: dict[str, Any]) -> SearchOptions:
    known = SearchOptions.names()
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(
            *(f"{name} is no option of a search; {did_you_mean(name, known)}" for name in unknown)
        )
    try:
        return SearchOptions.of(**options)
    except ValidationError as error:
        raise InputError(*explain(error, str)) from error


def _followed(process: subprocess.Popen[str], lines: IO[str], *, progress: bool) -> Iterator[str]:
    """The lines that a search prints; an interrupt goes to it, and it ends in order."""
    bar = _Progress()
    while True:
        try:
            line = lines.readline()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            continue
        if not line:
            return
        if progress:
            bar.show(line.rstrip("\n"))
        yield line.rstrip("\n")


class _Progress:
    """One line that a notebook or a terminal writes over: trials ended, and the best F1."""

    def __init__(self) -> None:
        self._total = "?"
        self._ended = 0
        self._best = 0.0
        self._is_open = False

    def show(self, line: str) -> None:
        """Print what a line of the search says, if a person wants to see it."""
        total, trial = _TOTAL.match(line), _TRIAL.match(line)
        if total:
            self._total = total["total"]
        if trial:
            self._ended += 1
            self._best = max(self._best, float(trial["f1"] or 0))
            text = f"{self._ended} of {self._total} trials ended, best F1 {self._best:.3f}"
            print(f"\r{text}", end="", flush=True)
            self._is_open = True
        elif line.startswith("winner: ") or not self._ended:
            print(f"\n{line}" if self._is_open else line, flush=True)
            self._is_open = False


def _sentences(errors: str) -> list[str]:
    """The problems that a command printed, one a line with a dash if there are several."""
    lines = errors.splitlines()
    several = [line[len("  - ") :] for line in lines if line.startswith("  - ")]
    return several or [errors]
