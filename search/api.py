"""Search from Python or a notebook: `from search import run_search, read_run`.

The search runs in a process of its own, as the command does. So Ray, its workers and the signals of
a search stay out of the notebook, and what one can do the other can.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from search.options.options import SearchOptions, command_line
from search.results.search_result import SearchResult
from trainable.errors import InputError, did_you_mean, explain, flag, num_of

_REFUSED = 2


def read_run(run: Path | str) -> SearchResult:
    """Read what a search found.

    Raises:
        InputError: If it is no run folder of this version, or has no winner yet.
    """
    return SearchResult.read(Path(run))


def run_search(
    data: Path | str | None = None,
    *,
    out: Path | str | None = None,
    resume: Path | str | None = None,
    progress: bool = True,
    **options: Any,
) -> SearchResult:
    """Run a search, or continue one, and read its result.

    To interrupt it ends it with the winner so far.

    Args:
        data: A table, a folder with a folder per class, or `demo`; None to continue a search.
        out: Run folder to make; runs/NAME, after the data, if None.
        resume: Run folder of a search to continue; `trials` may be larger.
        progress: Whether to print what is known of the data, and one line of progress.
        options: Options of `cxr-search` by their names, such as `trials=20` or
            `backbones=("resnet18",)`.

    Raises:
        InputError: Naming every option or input that is refused.
        RuntimeError: If the search ended without a winner, with what it printed last.
    """
    given = {**options, **({} if data is None else {"data": data})}
    words = command_line(_checked(given))[1:]
    for name, folder in (("out", out), ("resume", resume)):
        if folder is not None:
            words += [flag(name), str(folder)]
    command = [sys.executable, "-m", "search", *words, "--events"]
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
        events = list(_followed(process, process.stdout, progress=progress))
        process.wait()
        complaints.seek(0)
        errors = complaints.read().strip()
    by_name = {event["event"]: event for event in events}
    if process.returncode == _REFUSED:
        problems = by_name.get("refused", {"problems": [errors]})["problems"]
        raise InputError(*map(_in_python, problems))
    if "end" not in by_name:
        said = [event["text"] for event in events if event["event"] == "line"]
        raise RuntimeError(errors or "\n".join(said[-5:]) or "the search ended at once")
    end = by_name["end"]
    if end["winner"] is None:
        raise RuntimeError(f"no trial completed; look into {end['run']}/errors")
    return read_run(end["run"])


def _in_python(advice: str) -> str:
    """The same advice with the names of arguments in place of those of options.

    >>> _in_python("name another folder with --out, or raise --max-passes; see --no-such")
    'name another folder with out, or raise max_passes; see --no-such'
    """
    known = {flag(name): name for name in (*SearchOptions.names(), "out", "resume")}
    return re.sub(r"--[a-z][a-z-]+", lambda found: known.get(found[0], found[0]), advice)


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


def _followed(
    process: subprocess.Popen[str], lines: IO[str], *, progress: bool
) -> Iterator[dict[str, Any]]:
    """The events of a search; an interrupt goes to it, and it ends in order."""
    bar = _Progress()
    while True:
        try:
            line = lines.readline()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            continue
        if not line:
            return
        event = _event(line)
        if progress:
            bar.show(event)
        yield event


def _event(line: str) -> dict[str, Any]:
    """An event; what a library prints to the same output is a line of text."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and "event" in event:
            return event
    return {"event": "line", "text": line.rstrip("\n"), "level": 0, "announced": False}


class _Progress:
    """One line that a notebook or a terminal writes over: trials ended, and the best F1."""

    def __init__(self) -> None:
        self._num_trials = 0
        self._best = 0.0
        self._is_open = False

    def show(self, event: Mapping[str, Any]) -> None:
        """Print what a person wants to see of an event."""
        if event["event"] == "begin":
            self._num_trials = event["num_trials"]
        elif event["event"] == "trial":
            self._best = max(self._best, event["f1"] or 0)
            counts = f"{event['num_ended']} of {num_of(self._num_trials, 'trial')} ended"
            print(f"\r{counts}, best F1 {self._best:.3f}", end="", flush=True)
            self._is_open = True
        elif event["event"] == "line" and (event["announced"] or not self._num_trials):
            line = "  " * event["level"] + event["text"]
            print(f"\n{line}" if self._is_open else line, flush=True)
            self._is_open = False
