"""End what is left of a local Ray once the process that started it is gone, however it ended.

Run as a program of its own with Ray's folder as its argument. It waits until its standard input
ends, which is when the search closes it or dies, by SIGKILL too.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LOOKS = 100
_LOOK_SECONDS = 0.2


def sweep(folder: Path, spared: int) -> None:
    """Kill every process that writes to a file in `folder` but one, and remove the folder."""
    quiet = 0
    for _ in range(_LOOKS):
        found = [process for process in writing_to(folder) if process != spared]
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        # a process that was killed may just have started another
        if quiet == 2:
            break
        time.sleep(_LOOK_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def writing_to(folder: Path) -> Iterator[int]:
    """Processes that have a file in the folder open for writing; none without `/proc`.

    Ray's processes rename themselves, and some leave their group, but all write logs.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if any(_is_written(file, folder) for file in (process / "fd").iterdir()):
                yield int(process.name)


def _is_written(file: Path, folder: Path) -> bool:
    """Whether an entry of `/proc/PID/fd` is a file in the folder, and open for writing."""
    return bool(file.lstat().st_mode & 0o200) and file.readlink().is_relative_to(folder)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    search = os.getppid()
    sys.stdin.buffer.read()
    sweep(Path(sys.argv[1]), search)
