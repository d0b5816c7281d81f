"""Imports what a worker of Ray needs, and then forks itself for each worker.

`forks.py` starts it, with a socket that listens as its argument. It ends with its standard input.
It must not start a thread: only the one that forks goes on in a fork.
"""

import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

READY = b"ready\n"
_MOST_BYTES = 2**17


Run = Callable[[], object]
"""Runs the program that `sys.argv` names."""


def run_file() -> None:
    """Run a file of Python."""
    runpy.run_path(sys.argv[0], run_name="__main__")


def settle() -> None:
    """Get ready to fork: all is imported, and what was imported stays shared.

    Raises:
        RuntimeError: If there are threads, which would be lost in a fork; jemalloc starts its own
            anew.
    """
    names = {thread.read_text().strip() for thread in Path("/proc/self/task").glob("*/comm")}
    if others := names - {Path("/proc/self/comm").read_text().strip(), "jemalloc_bg_thd"}:
        raise RuntimeError(f"an import has started a thread: {others}")
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that only fork


def serve(listener: socket.socket, run: Run = run_file) -> Callable[[], object]:
    """Fork until standard input ends; each process returns with what is left for it to do."""
    while True:
        ready, *_ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _become(connection, run)
        connection.close()


def _become(connection: socket.socket, run: Run) -> Callable[[], object]:
    """Fork once more; the parent says the child's number, at last its exit status, and ends."""
    text, descriptors, *_ = socket.recv_fds(connection, _MOST_BYTES, 3)
    child = os.fork()
    if child == 0:
        connection.close()
        return functools.partial(_run, json.loads(text), descriptors, run)
    for descriptor in descriptors:
        os.close(descriptor)
    _answer(connection, child)
    ended = os.pidfd_open(child)
    # whoever asked speaks no more; where it has died, its process dies
    ready, *_ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    _answer(connection, os.waitstatus_to_exitcode(status))
    os._exit(0)


def _answer(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever asked has died
        connection.send(str(number).encode())


def _run(asked: dict[str, Any], descriptors: list[int], run: Run) -> None:
    """Be the process that was asked for."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.setsid()  # Ray ends a worker's whole group
    os.setpriority(os.PRIO_PROCESS, 0, asked["priority"])
    with contextlib.suppress(OSError):  # a worker is to be killed before the search
        Path("/proc/self/oom_score_adj").write_text(asked["oom_score_adj"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    cast(TextIOWrapper, sys.stdout).reconfigure(write_through=True)  # who reads it does not wait
    sys.argv = asked["program"]
    run()


def main() -> Callable[[], object]:
    """Import, and serve."""
    import ray.tune  # noqa: F401 - what a worker of a search needs
    import torchvision  # noqa: F401 - its networks want PyTorch's compiler: a second, 100 MB

    import trainable.trial.ray_worker  # noqa: F401

    settle()
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    return serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()()
