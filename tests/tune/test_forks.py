"""Workers of a Ray of our own are forks of a process that has imported what a trial needs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.commands import ROOT

from search.tune import forked_worker
from search.tune.forks import ADDRESS, served

PROGRAM = """
import json, os, sys
has_all = {"ray.tune", "torchvision"} <= sys.modules.keys()
print(json.dumps([sys.argv[1:], has_all, os.getpriority(os.PRIO_PROCESS, 0)]))
if sys.argv[1:] == ["wait"]:
    sys.stdin.read()
sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where forks have imported what a trial needs."""
    with served(tmp_path) as says:
        assert says.readline() == b"ready\n", (tmp_path / "forks.log").read_text()
        yield {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            forked_worker.SOCKET: str(tmp_path / ADDRESS),
        }


def ask(program: Path, *arguments: str) -> list[str]:
    """A worker as Ray starts it."""
    own = ["--serialized-runtime-env-context={}", "--language=PYTHON"]
    return [sys.executable, forked_worker.__file__, str(program), *own, *arguments]


def test_a_worker_is_a_fork_that_has_imported_all_and_keeps_its_priority(
    program: Path, environment: dict[str, str]
) -> None:
    low = ["nice", "-n", "7", *ask(program, "--port=1")]
    done = subprocess.run(low, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    priority = os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert json.loads(done.stdout) == [["--port=1"], True, min(priority, 19)]


def test_a_fork_ends_with_the_worker_that_asked_for_it(
    program: Path, environment: dict[str, str]
) -> None:
    asked = subprocess.Popen(
        ask(program, "wait"), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asked.stdout
    assert json.loads(asked.stdout.readline())[1]
    asked.kill()
    # its end closes the pipe, which the test holds no other end of
    assert asked.stdout.read() == b""
    asked.communicate()


def test_where_nothing_forks_a_worker_is_ray_s_own(program: Path, tmp_path: Path) -> None:
    nowhere = {**os.environ, "PYTHONPATH": str(ROOT), forked_worker.SOCKET: str(tmp_path / "no")}
    done = subprocess.run(
        ask(program, "--port=1"), env=nowhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)[1] is False
