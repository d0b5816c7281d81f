"""The project's Dockerfile, built and run; minutes long: `uv run pytest -m hosts`."""

import os
import shutil
import socket
import sys

import pandas as pd
import pytest
from fixtures.containers import DEBIAN, Containers, containers
from fixtures.processes import num_rows, wait_until

from search.demo.phantoms import write_demo

NEEDED = ("podman", "buildah", "crun", "mmdebstrap", "openssl", "unshare")
SMALL = (
    *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none"),
    *("--image-size", "48", "--folds", "2", "--epochs", "1"),
)


def what_is_missing() -> str:
    """Why no image can be built here; empty if one can."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.getuid() != 0:
        return "only root may listen as PyTorch's index"
    if sys.version_info.minor not in DEBIAN:
        return "no release of Debian has this Python, which the PyTorch of the tests fits"
    try:
        socket.getaddrinfo("pypi.org", 443)
    except OSError:
        return "PyPI is not reached"
    return ""


@pytest.mark.hosts
@pytest.mark.timeout(1200)
def test_the_image_serves_any_user_of_its_group_and_a_stop_leaves_the_winner() -> None:
    if missing := what_is_missing():
        pytest.skip(missing)
    with containers() as made:
        write_demo(made.folder / "xrays", num_patients=60, num_test_patients=12, size=64, seed=1)
        (made.folder / "runs").mkdir()
        (made.folder / "runs").chmod(0o777)
        made.build()
        run_as_the_user(made)
        run_as_anybody(made)
        stop(made)


def run_as_the_user(made: Containers) -> None:
    """The user is not root, may write to the cache, and its commands get signals by tini."""
    assert "Find the configuration with the best F1" in made.call("podman", *made.run_options())
    told = "id -un; id -g; touch ~/.cache/cxr/file && tr '\\0' ' ' </proc/1/cmdline"
    shown = made.call("podman", *made.run_options(), "sh", "-c", told)
    assert shown.startswith("ray\n0\ntini -g -- sh ")


def run_as_anybody(made: Containers) -> None:
    """OpenShift gives a number that no file knows; podman gives 64 MB of shared memory."""
    anybody = ("--user=1000650000:0", "--passwd=false", "--read-only", "--tmpfs=/tmp")
    search = ("cxr-search --data /xrays/train.csv --out /runs/a", *SMALL, "--trials 3")
    commands = (
        " ".join(search),
        "cxr-predict /runs/a --images /xrays/test --seeds 1 --out /runs/a/new.csv",
        "cxr-report /runs/a",
    )
    options = made.run_options(*anybody)
    print(made.call("podman", *options, "sh", "-ec", "\n".join(commands)))
    assert len(pd.read_csv(made.folder / "runs" / "a" / "new.csv")) > 0
    assert (made.folder / "runs" / "a" / "report.html").exists()


def stop(made: Containers) -> None:
    """`podman stop` sends SIGTERM."""
    run = made.folder / "runs" / "b"
    search = ("cxr-search", "--data", "/xrays/train.csv", "--out", "/runs/b", *SMALL)
    process = made.start(*search, "--trials", "500", options=("--name=stopped",))
    wait_until(lambda: process.poll() is not None or num_rows(run) > 1)
    made.call("podman", "stop", "--time=120", "stopped")
    out, _ = process.communicate()
    assert process.returncode == 143, out
    assert "SIGTERM ended the search after" in out
    assert (run / "winner.json").exists()
