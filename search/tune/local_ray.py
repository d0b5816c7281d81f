"""A Ray of our own on this machine: its folder, its token, its addresses, and its end."""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from search.tune import reaper
from search.tune.forks import forks
from trainable.files import DiskError, try_to_write

_ROOM_BYTES = 20 * 2**20
"""Room for Ray's logs, about; without it Ray does not start, and says little."""

_LONGEST = 25
"""Most bytes of the folder around Ray's own: sockets below may have 107 (on macOS 103)."""


@contextlib.contextmanager
def local_ray() -> Iterator[Path]:
    """What a local Ray needs to start and run; all of its processes end with the context.

    They end within seconds if this process is killed, too.

    Yields:
        A new folder for Ray's sockets and logs, with a short path; it is removed at the end.

    Raises:
        OSError: If there is no folder with a short path to write in.
    """
    folder = _short_folder()
    # in a session of its own, where no signal to the group of this process ends it
    command = [sys.executable, "-I", "-S", reaper.__file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        # of this search alone, so that no home is written to; Ray reads a token once a process
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # 30 s are too few on a busy machine; who joins a cluster is refused by as long a wait
        for wait in ("gcs_server_port", "raylet_start"):
            os.environ.setdefault(f"RAY_{wait}_wait_time_s", "100")
        with forks(folder):
            yield folder


def _short_folder() -> Path:
    wanted = os.environ.get("RAY_TMPDIR"), tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"
    short = [place for place in wanted if place and len(os.fsencode(place)) <= _LONGEST]
    refusals = []
    for place in short:
        try:
            try_to_write(Path(place), "the variable RAY_TMPDIR", _ROOM_BYTES)
            return Path(tempfile.mkdtemp(prefix="cxr-", dir=place))
        except OSError as refusal:
            refusals.append(str(refusal))
    raise DiskError(
        f"Ray needs a folder to write in whose path has at most {_LONGEST} letters: "
        f"{'; '.join(refusals)}"
    )
