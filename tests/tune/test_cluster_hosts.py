"""The project's own cluster.yaml on several hosts, one of which is lost while a search runs.

Some minutes long, so not run by default: `uv run pytest -m hosts`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOSTS = Path(__file__).parents[1] / "fixtures" / "cluster_hosts.py"
ISOLATED = ("unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")
NEEDED = ("unshare", "nsenter", "ip", "ssh", "ssh-keygen", "rsync", "uv", "/usr/sbin/sshd")


def what_is_missing() -> str:
    """Why hosts cannot be made here; empty if they can."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.getuid() != 0:
        return "only root may make namespaces with an sshd in each"
    made = subprocess.run([*ISOLATED, "ip", "link", "add", "bridge", "type", "bridge"], check=False)
    return "" if made.returncode == 0 else "namespaces or bridges are not allowed here"


@pytest.mark.hosts
@pytest.mark.timeout(900)
def test_a_search_over_ssh_loses_a_host_gains_one_and_ends_with_all_its_trials(
    tmp_path: Path,
) -> None:
    if missing := what_is_missing():
        pytest.skip(missing)
    done = subprocess.run(
        [*ISOLATED, sys.executable, HOSTS, tmp_path / "hosts"],
        env={**os.environ, "PYTHONPATH": str(HOSTS.parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    lost = [line for line in done.stdout.splitlines() if "lost its worker" in line]
    assert lost
    assert all("10.77.0.3" in line for line in lost)
