"""A node hears of the ports of its agents at once."""

import subprocess
import sys
from pathlib import Path

from search.tune import agents

NODE = """
import pathlib, subprocess, sys, time
session, *command = sys.argv[1:]
subprocess.Popen([sys.executable, "-I", "-S", *command])
files = [pathlib.Path(session, f"{name}_ab") for name in %r]
while not all(file.exists() for file in files):
    time.sleep(0.02)
print(*(file.read_text() for file in files), flush=True)
"""


def test_the_agent_of_the_dashboard_serves_no_port_and_ends_with_its_node(tmp_path: Path) -> None:
    given = [sys.executable, "agent.py", "--node-id=ab", f"--session-dir={tmp_path}", "--head"]
    node = [sys.executable, "-c", NODE % (agents.IDLE_PORTS,), str(tmp_path), agents.__file__]
    done = subprocess.run([*node, *given], stdout=subprocess.PIPE, text=True, check=True)
    # the pipe is at its end only once the agent has ended, too
    assert done.stdout == "-1 -1 -1\n"


def test_the_agent_of_environments_is_given_the_port_that_the_node_is_told(tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    program.write_text(
        "import socket, sys\n"
        "port = int(sys.argv[-1].split('=')[1])\n"
        "with socket.socket() as own:\n"
        "    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "    own.bind(('127.0.0.1', port))\n"
        "    own.listen()\n"
        "    print(port)\n"
    )
    given = ["--node-id=ab", f"--session-dir={tmp_path}", "--node-ip-address=127.0.0.1"]
    command = [sys.executable, str(program), *given, "--runtime-env-agent-port=0"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", agents.__file__, *command],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == (tmp_path / f"{agents.PORT}_ab").read_text() != "0"
