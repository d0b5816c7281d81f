"""A cluster that is started as cluster.yaml says refuses who has no token, or a wrong one."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(150)

TOKEN, WRONG = "a" * 64, "b" * 64
JOIN = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False); print('joined')"


def environment(token: str | None) -> dict[str, str]:
    """As on a machine of one's own, whose home holds no token."""
    ours = ("RAY_AUTH", "RAY_gcs_server_port_wait", "RAY_raylet_start_wait")  # of a local Ray
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given = {"RAY_AUTH_TOKEN": token} if token else {}
    return clean | {"HOME": "/nowhere", "RAY_AUTH_MODE": "token"} | given


def free_port() -> int:
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        return int(connection.getsockname()[1])


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """Ports of a head on loopback: that of the cluster, and that of dashboard and jobs."""
    port, dashboard = free_port(), free_port()
    # a short path: Ray's sockets lie deep below it, and their names may have 107 letters
    folder = Path(tempfile.mkdtemp(prefix="r"))
    options = (f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}")
    loopback = ("--dashboard-host=127.0.0.1", "--node-ip-address=127.0.0.1", "--num-cpus=1")
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(
            [f"{sys.prefix}/bin/ray", "start", "--head", "--block", *options, *loopback],
            env=environment(TOKEN),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    while answer(dashboard, TOKEN) != 200:
        assert head.poll() is None, (folder / "log").read_text()
        time.sleep(0.5)
    yield port, dashboard
    head.terminate()
    head.wait()
    shutil.rmtree(folder)


def answer(dashboard: int, token: str | None) -> int | None:
    """HTTP status of a question for the cluster's jobs; None while nobody listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{dashboard}/api/jobs/"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code
    except urllib.error.URLError:
        return None


def test_jobs_are_refused_without_the_token(ports: tuple[int, int]) -> None:
    assert answer(ports[1], None) == 401
    assert answer(ports[1], WRONG) == 403
    assert answer(ports[1], TOKEN) == 200


@pytest.mark.parametrize(
    ("token", "says"),
    [(TOKEN, "joined"), (WRONG, "AuthenticationError"), (None, "AuthenticationError")],
    ids=["right", "wrong", "missing"],
)
def test_only_the_token_lets_a_search_join(
    ports: tuple[int, int], token: str | None, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JOIN, f"127.0.0.1:{ports[0]}"],
        env=environment(token) | {"RAY_NUM_REDIS_GET_RETRIES": "3"},  # a second each
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in done.stdout + done.stderr
    assert ("joined" in done.stdout) == (token == TOKEN)
