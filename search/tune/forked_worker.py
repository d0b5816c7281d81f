"""What Ray starts for each worker in place of its own `setup_worker.py`: it asks for a fork.

It is there as long as the fork is, and gives its exit status. Where nothing forks any more, it
becomes Ray's own.
"""

import argparse
import ctypes
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SOCKET = "CXR_FORKS"
"""Variable of the environment: the socket where forks are asked for."""

_PR_SET_PDEATHSIG = 1
_UCRED = struct.Struct("3i")


def worker() -> None:
    """Be a worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serialized-runtime-env-context", default="{}")
    parser.add_argument("--language")
    known, program = parser.parse_known_args()
    context = json.loads(known.serialized_runtime_env_context or "{}")
    # where a cluster was sent code, that is `cd FOLDER &&`; what is imported is the same code
    _, folder, _ = context.get("command_prefix") or ("cd", str(Path.cwd()), "&&")
    os.environ.update(context.get("env_vars", {}))
    become(program, folder)
    found = find_spec("ray")
    assert found is not None
    assert found.origin is not None
    own = Path(found.origin).parent / "_private" / "workers" / "setup_worker.py"
    os.execv(sys.executable, [sys.executable, str(own), *sys.argv[1:]])


def become(program: Sequence[str], folder: str) -> None:
    """Run a program in a fork, and exit with its status; return where nothing forks any more.

    The fork ends with this process, and this process with its parent, as a worker with its node.

    Args:
        program: A file of Python, and its arguments.
        folder: The current folder of the program.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(os.environ.get(SOCKET, ""))
        except OSError:
            return
        if not is_own(connection):  # Ray's folder is open to everybody
            return
        asked = asked_for(program, folder, dict(os.environ))
        socket.send_fds(connection, [json.dumps(asked).encode()], [0, 1, 2])
        said = []
        while answer := connection.recv(20):  # its number, and its exit status when it has ended
            said.append(int(answer))
    if said:
        sys.exit(said[1] if len(said) > 1 else 1)


def is_own(connection: socket.socket) -> bool:
    """Whether a process of the same user is at the other end."""
    of_peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(of_peer)
    return bool(user == os.getuid())


def asked_for(
    program: Sequence[str], folder: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """What a fork is told: its program, where it runs, and how it ranks among other processes."""
    return {
        "program": list(program),
        "folder": folder,
        "environment": dict(environment),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(),
    }


if __name__ == "__main__":
    worker()
