"""What Ray starts in place of a node's agents, which would hold it up while they import.

A node waits 15 s for the ports of its agents, and gives up: on a busy machine they take longer to
import. So the port of the agent of environments is said before it imports. The agent of the
dashboard serves nobody in a search: it is not started, and said to have no port, as where the
packages of the dashboard are absent.
"""

import os
import socket
import sys
import time
from pathlib import Path

IDLE_PORTS = "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"
"""Ports of the dashboard's agent; a node waits for a file of each name, with a number."""

PORT = "runtime_env_agent_port"
"""The port of the other one."""

_NONE = -1
_OPTION = f"--{PORT.replace('_', '-')}="
_LOOK_SECONDS = 1.0


def main() -> None:
    """Take the command of an agent, with `--session-dir=FOLDER` and `--node-id=ID` in it."""
    command = sys.argv[1:]
    given = dict(word.split("=", 1) for word in command if "=" in word)
    session, node = Path(given["--session-dir"]), given["--node-id"]
    if any(word.startswith(_OPTION) for word in command):
        with _taken_port(given["--node-ip-address"]) as taken:
            port = taken.getsockname()[1]
            _say(session, f"{PORT}_{node}", port)
            words = [f"{_OPTION}{port}" if word.startswith(_OPTION) else word for word in command]
            os.execv(words[0], words)
    parent = os.getppid()
    # whatever writes in the folder of a Ray ends with it
    with (session / "idle_agent.log").open("w"):
        for name in IDLE_PORTS:
            _say(session, f"{name}_{node}", _NONE)
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)


def _taken_port(host: str) -> socket.socket:
    """A port that is given to no other program; the agent may bind it, as it reuses addresses."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(address)
    taken.set_inheritable(True)
    return taken


def _say(session: Path, name: str, port: int) -> None:
    partial = session / f"{name}.partial"
    partial.write_text(str(port))
    partial.replace(session / name)


if __name__ == "__main__":
    main()
