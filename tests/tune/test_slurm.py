"""The project's own slurm.sh on Debian's Slurm, with a slurmd on each of three hosts.

Some minutes long, so not run by default: `uv run pytest -m hosts`.
"""

from pathlib import Path

import pytest
from fixtures import slurm_hosts
from fixtures.hosts import run_isolated, why_no_hosts

NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "munged")


@pytest.mark.hosts
@pytest.mark.timeout(1800)
def test_a_search_on_slurm_loses_nodes_is_ended_twice_and_ends_with_all_its_trials(
    tmp_path: Path,
) -> None:
    if missing := why_no_hosts(NEEDED):
        pytest.skip(missing)
    shown = run_isolated(Path(slurm_hosts.__file__), tmp_path / "slurm", 1780)
    assert "Node failure on node3" in shown
