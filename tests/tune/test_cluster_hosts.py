"""The project's own cluster.yaml on several hosts, one of which is lost while a search runs.

Some minutes long, so not run by default: `uv run pytest -m hosts`.
"""

from pathlib import Path

import pytest
from fixtures import cluster_hosts
from fixtures.hosts import run_isolated, why_no_hosts

NEEDED = ("ssh", "ssh-keygen", "rsync", "uv", "/usr/sbin/sshd")


@pytest.mark.hosts
@pytest.mark.timeout(1500)
def test_a_search_over_ssh_loses_a_host_gains_one_and_ends_with_all_its_trials(
    tmp_path: Path,
) -> None:
    if missing := why_no_hosts(NEEDED):
        pytest.skip(missing)
    shown = run_isolated(Path(cluster_hosts.__file__), tmp_path / "hosts", 1480)
    lost = [line for line in shown.splitlines() if "lost its worker" in line]
    assert lost
    assert all("10.77.0.3" in line for line in lost)
