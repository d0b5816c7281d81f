"""A Ray that takes long to start is waited for, but not for ever, and a search says so."""

import subprocess
import sys
from concurrent.futures import Future

import pytest
from fixtures.commands import environment

from search.tune import cluster

STUCK = """
import sys, threading
from search.tune import cluster, connect
connect.start = lambda folder: threading.Event().wait()
cluster._GRACE_SECONDS = 0.1
with cluster.cluster(None):
    print("left", flush=True)
    sys.exit(5)
"""


def test_a_ray_that_does_not_start_is_said_to_be_late_and_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_USUAL_SECONDS", 0.01)
    monkeypatch.setattr(cluster, "_PATIENCE_MINUTES", 0.001)
    said: list[str] = []
    with pytest.raises(OSError, match="Ray did not start on this machine within"):
        cluster._wait(Future(), said.append)
    assert len(said) == 1
    assert said[0].startswith("Ray has not started within 0 s")


def test_a_ray_that_starts_is_not_said_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    starting: Future[None] = Future()
    starting.set_result(None)
    said: list[str] = []
    cluster._wait(starting, said.append)
    assert said == []


def test_a_command_ends_although_ray_still_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, "left\n"), done.stderr
