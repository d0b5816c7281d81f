"""A worker of our own Ray has imported what a trial needs before it is given one."""

import sys
from typing import Any

import pytest
import ray

from search.tune import cluster as module


@pytest.mark.usefixtures("no_ray")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("one_trial_per_cpu", [True, False])
def test_a_worker_has_imported_what_a_trial_needs(
    one_trial_per_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CPUS_TO_PRELOAD", range(1, 1000))

    class Trial:
        def imported(self) -> set[str]:
            return {"ray.tune", "torch", "trainable.trial.cross_validation"} & set(sys.modules)

    with module.cluster(None, one_trial_per_cpu=one_trial_per_cpu) as wait:
        wait()
        actor: Any = ray.remote(Trial).remote()
        found = ray.get(actor.imported.remote())
    assert found == (
        {"ray.tune", "torch", "trainable.trial.cross_validation"} if one_trial_per_cpu else set()
    )
