"""Workers that begin with all imported: forks of one process, which share its memory."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from search.tune import fork_server
from search.tune.forked_worker import SOCKET

ADDRESS = "forks"


@contextlib.contextmanager
def forks(folder: Path) -> Iterator[None]:
    """Let the workers of a Ray that is started be forks of a process that begins to import now.

    Ray would start a new Python for each, which takes seconds to import PyTorch and Ray Tune and
    shares no memory. Elsewhere than on Linux it still does.

    Args:
        folder: An empty folder with a short path.
    """
    if sys.platform != "linux" or SOCKET in os.environ:
        yield
        return
    with served(folder):
        os.environ[SOCKET] = str(folder / ADDRESS)
        try:
            yield
        finally:
            del os.environ[SOCKET]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[IO[bytes]]:
    """Fork whoever asks, once all is imported, as long as the context lasts.

    Args:
        folder: Where the socket to ask at is made, `ADDRESS`, and `forks.log`.

    Yields:
        What says `fork_server.READY`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / ADDRESS))
        (folder / ADDRESS).chmod(0o600)
        listener.listen()
        number = listener.fileno()
        # whatever writes in the folder of a Ray ends with it
        with (folder / "forks.log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "-P", fork_server.__file__, str(number)],
                pass_fds=[number],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # where no signal to the group of this process ends it
            )
    with server:
        assert server.stdout
        yield server.stdout


def _environment() -> dict[str, str]:
    """What Ray's workers have in their environment: Ray reads it as it is imported, once."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        # a thread of BLAS would be lost in a fork; each trial sets how many it has
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "RAY_AUTH_MODE": "token",
        "RAY_JOB_ID": "f" * 8,  # of no job, until it is given work
        "RAY_RAYLET_PID": str(os.getpid()),  # it ends with this process
    }
