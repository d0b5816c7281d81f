"""A worker of our own Ray has imported what a trial needs before it is given one."""

import contextlib
import functools
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from fixtures.warm import Warm

from search.tune import cluster as module


@pytest.mark.usefixtures("no_ray")
@pytest.mark.timeout(240)
def test_a_worker_has_imported_what_a_trial_needs(
    warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CPUS_TO_PRELOAD", range(1, 1000))
    monkeypatch.setattr(ray, "init", functools.partial(ray.init, num_cpus=1))

    class Trial:
        def imported(self) -> set[str]:
            return {"ray.tune", "torch", "trainable.trial.cross_validation"} & set(sys.modules)

    with warm.python(workers=False), module.cluster(None, one_trial_per_cpu=True) as wait:
        wait()
        actor: Any = ray.remote(Trial).remote()
        found = ray.get(actor.imported.remote())
    assert found == {"ray.tune", "torch", "trainable.trial.cross_validation"}


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("num_cpus", [2, 4, 32, 33])
@pytest.mark.parametrize("one_trial_per_cpu", [True, False])
def test_workers_import_nothing_where_they_are_few_or_many_or_hold_no_trial(
    num_cpus: int, one_trial_per_cpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "init", lambda **options: given.append(options["_system_config"]))
    monkeypatch.setattr(module, "local_ray", lambda: contextlib.nullcontext(tmp_path))
    monkeypatch.setattr(module.os, "cpu_count", lambda: num_cpus)
    with module.cluster(None, one_trial_per_cpu=one_trial_per_cpu) as wait:
        wait()
    assert [bool(settings) for settings in given] == [one_trial_per_cpu and 4 <= num_cpus <= 32]
