"""One command in a forked process, with limits: how it ends, what it prints, what it takes."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_NOBODY = 65534
_CRASHED = 70
_ROOM = 6 * 2**30
_POLL_SECONDS = 0.01


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: Exit status; -N if signal N ended it.
        output: Text on stdout and stderr.
        seconds: Running time.
        mib: Peak of its own memory in MiB, with the pages of program files that it used.
        is_late: Whether it was stopped at the limit of time.
    """

    code: int
    output: str
    seconds: float
    mib: float
    is_late: bool


def run_forked(
    command: Callable[[], object], folder: Path, most_seconds: int, *, as_nobody: bool = False
) -> Ended:
    """Run `command` in a copy of this process, in `folder`, until it exits.

    A command that takes 6 GiB more than this process fails, so that the machine stays well.

    Args:
        command: Ends by `SystemExit` or by returning.
        folder: Current folder of the command; its output goes to a file beside the folder.
        most_seconds: Limit of processor time; that of waiting is five times as long.
        as_nobody: Without root's right to read everything, where this process is root's.
    """
    log = folder.with_suffix(".log")
    inherited = _inherited_mib()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (most_seconds, most_seconds + 1))
        _run(command, folder, log, as_nobody=as_nobody and os.geteuid() == 0)
    is_late, (ended, status, used) = False, os.wait4(pid, os.WNOHANG)
    while ended == 0:
        if time.monotonic() - began > 5 * most_seconds and not is_late:
            is_late = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        ended, status, used = os.wait4(pid, os.WNOHANG)
    mib = used.ru_maxrss / 2**10 - inherited
    code = os.waitstatus_to_exitcode(status)
    output = log.read_text(errors="replace")
    log.unlink()
    seconds = time.monotonic() - began
    return Ended(code, output, seconds, mib, is_late or code == -signal.SIGXCPU)


def _run(command: Callable[[], object], folder: Path, log: Path, *, as_nobody: bool) -> None:
    """In the child: never returns."""
    code = _CRASHED
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(folder)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if as_nobody:
            os.seteuid(_NOBODY)
        command()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _inherited_mib() -> float:
    """Memory that a fork has from its start; it has no pages of files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 2**10
